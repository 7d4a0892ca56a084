"""Data folders for the tests of dbt, and the golden warehouse, which one process builds for all."""

import copy
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from column_lineage import Model, trace_models
from dbt_support import build, load_golden, make_empty_raw
from metric_support import Fetch, fill, record_loads
from parsed_project import ParsedProject, skip_unit_tests

from data_stack.metrics.door import Metrics
from data_stack.ops import Ops, new_id
from data_stack.publish import build_marker
from data_stack.settings import Settings
from data_stack.warehouse import connect_warehouse
from orchestration import steps


@pytest.fixture
def settings(project: ParsedProject, tmp_path: Path) -> Settings:
    """Settings of an empty data folder, for tests that build."""
    return project.use(tmp_path / "data")


@pytest.fixture
def data(settings: Settings) -> Settings:
    """Empty raw files and no build; the next build leaves out the unit tests."""
    make_empty_raw(settings)
    skip_unit_tests(settings)
    return settings


@pytest.fixture(scope="session")
def golden(project: ParsedProject, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the golden data, built; other processes read it, so tests never write there."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, is_built = shared / "golden", shared / "golden_is_built"
    with (shared / "golden.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built.exists():
            linked = project.use(folder)
            load_golden(linked)
            skip_unit_tests(linked)
            build(linked)
            is_built.touch()
    return Settings.load(data_dir=folder)


@pytest.fixture(scope="session")
def traced(golden: Settings) -> list[Model]:
    """The models of the golden build, with the origins of their columns."""
    return trace_models(golden)


@pytest.fixture
def models(traced: list[Model]) -> list[Model]:
    """The models of the golden build, for a test to change."""
    return copy.deepcopy(traced)


@pytest.fixture
def golden_copy(project: ParsedProject, golden: Settings, tmp_path: Path) -> Settings:
    """A copy of the golden data folder, for tests that let dbt work on it."""
    shutil.copytree(golden.data_dir, tmp_path / "data")
    return project.use(tmp_path / "data")


@pytest.fixture(scope="session")
def metric_settings(golden: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the golden build, more rows for the metrics, and a publication of them."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("metrics") / "data")
    shutil.copytree(golden.build_dir, settings.build_dir, ignore=shutil.ignore_patterns("dbt"))
    shutil.copytree(golden.ops_dir, settings.ops_dir)
    fill(settings.build_file)
    record_loads(Ops(settings))
    build_marker(settings).touch()
    steps.publish(steps.Run.begin(settings, new_id(), "test"))
    return settings


@pytest.fixture(scope="session")
def metrics(metric_settings: Settings) -> Iterator[Metrics]:
    """The metrics of that publication."""
    opened = Metrics(metric_settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def fetch(metric_settings: Settings) -> Iterator[Fetch]:
    """Runs hand-written SQL on that publication."""
    with connect_warehouse(metric_settings.warehouse_file) as db:
        yield lambda sql: db.execute(sql).fetchall()
