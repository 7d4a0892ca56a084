"""The unit tests of the models, which need no data: each must pass, and is reported by its name."""

import pytest
import yaml
from dbt_support import built_tables, make_empty_raw, rows
from parsed_project import ParsedProject

from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, _invoke_dbt, _prepare_build_file

UNIT_TESTS = sorted(
    test["name"]
    for path in (DBT_DIR / "models").glob("**/*.yml")
    for test in yaml.safe_load(path.read_text()).get("unit_tests", [])
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with empty raw files."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("empty"))
    make_empty_raw(settings)
    return settings


@pytest.fixture(scope="module")
def statuses(project: ParsedProject, empty: Settings) -> dict[str, str]:
    """The status of every unit test and model, after a build on empty raw files."""
    linked = project.use(empty.data_dir)
    _prepare_build_file(linked, Ops(linked))
    outcome = _invoke_dbt(
        linked, ["build", "--no-write-json", "--exclude-resource-type", "test", "--exclude-resource-type", "exposure"]
    )
    return {result.node.name: str(result.status) for result in outcome.result.results}


@pytest.mark.parametrize("name", UNIT_TESTS)
@pytest.mark.integration
def test_unit_test_passes(statuses: dict[str, str], name: str) -> None:
    assert statuses[name] == "pass"


def test_empty_raw_files_give_empty_tables(empty: Settings, statuses: dict[str, str]) -> None:
    assert set(statuses.values()) == {"success", "pass"}
    tables = built_tables(empty.build_file)
    assert "core.dim_dates" in tables
    assert {source.fact for source in SOURCES} <= set(tables)
    assert all(rows(empty, f"select count(*) from {table}") == [(0,)] for table in tables)
