"""Shared fixtures. The folder of this file is on the path, so tests import the helper modules beside it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from all_settings import settings_classes
from parsed_project import ParsedProject
from providers import Serve, make_samples

from data_stack.registry import source_names
from data_stack.settings import Settings
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.source import SampleSource, find_sample

if TYPE_CHECKING:
    from postgres_server import PostgresServer


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the developer's settings or writes into the developer's data; retries do not wait."""
    for name, value in _unset_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    # an empty value would leave the one of `.env`, and so the developer's run records
    monkeypatch.setenv("OPS_URL", "sqlite")
    monkeypatch.setenv("HTTP_BACKOFF_SECONDS", "0")
    monkeypatch.setenv("HTTP_ATTEMPTS", "3")


@cache
def _unset_variables() -> dict[str, str]:
    """Every variable of the settings, without a value; the same for all tests."""
    urls = {find_sample(source_name).url_variable for source_name in source_names()}
    names = (name for settings_class in settings_classes() for name in settings_class.variables())
    # nobody listens there: a test that forgets to serve a provider must not ask the real one
    return {name: "http://127.0.0.1:9" if name in urls else "" for name in names}


@pytest.fixture
def settings(clean_environment: None) -> Settings:
    """Settings of a data folder of its own."""
    return Settings.load()


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A PostgreSQL server, started once per process; only slow tests use it."""
    from postgres_server import find_programs, run_postgres

    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here; Debian's package is called postgresql")
    with run_postgres(programs) as server:
        yield server


@pytest.fixture
def ops_url(postgres: "PostgresServer") -> str:
    """A value of OPS_URL: a schema of its own, without tables."""
    schema = f"test_{uuid4().hex}"
    postgres.execute(f"create schema {schema}")
    return postgres.url(schema)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def on_each_store(request: pytest.FixtureRequest, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a data folder of its own, with run records and locks in SQLite and in PostgreSQL."""
    if request.param == "postgres":
        monkeypatch.setenv("OPS_URL", request.getfixturevalue("ops_url"))
    return Settings.load()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> ParsedProject:
    """The dbt project, parsed once per process."""
    return ParsedProject(tmp_path_factory.mktemp("project"))


@pytest.fixture
def parsed_settings(
    clean_environment: None, project: ParsedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a data folder of its own, in which dbt has the project parsed."""
    settings = project.use(tmp_path / "data")
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    return settings


@pytest.fixture
def without_data_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds leave out dbt's data tests, which take most of their time: for tests of something else than the models."""
    monkeypatch.setattr("dbt_runner.build._LEFT_OUT", ("exposure", "test"))


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Folder of the files that a source with a bucket offers under `serve`."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a provider of every source and points the settings at it; ends it after the test."""
    started: list[SampleProvider] = []

    def start(*given: SampleSource, **options: Any) -> SampleProvider:
        provider = SampleProvider(make_samples(tmp_path, *given), **options)
        started.append(provider.__enter__())
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        return provider

    yield start
    for provider in started:
        provider.__exit__(None, None, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest begin: at the end, one process would work on them alone."""
    slow = {item.path for item in items if item.get_closest_marker("integration")}
    items.sort(key=lambda item: (item.path.parent != Path(__file__).parent, item.path not in slow))
