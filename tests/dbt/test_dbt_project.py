"""The dbt project itself: descriptions, contracts, identities, documentation and machine time zones."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt_support import differences, rows
from parsed_project import skip_unit_tests
from source_parts import find_parts

from data_stack.registry import source_names
from data_stack.settings import PROJECT_ROOT, Settings
from dbt_runner.build import DBT_DIR, _invoke_dbt, generate_docs

MODEL_FILES = sorted((DBT_DIR / "models").glob("**/*.sql"))
SINGULAR_TESTS = {path.stem for path in (DBT_DIR / "tests").glob("*.sql")}
# those of several sources are in a file beside this one
IDENTITIES: dict[str, list[str]] = {
    name: corruptions
    for module in [
        *find_parts("identities").values(),
        *(importlib.import_module(path.stem) for path in Path(__file__).parent.glob("*_identities.py")),
    ]
    for name, corruptions in module.IDENTITIES.items()
}


@pytest.fixture(scope="module")
def manifest(golden: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden.build_dir / "dbt" / "target" / "manifest.json").read_text())
    return found


def models_in(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def sources_of(manifest: dict[str, Any], unique_id: str) -> set[str]:
    """Registry names of the sources upstream of a node; a join with `dim_dates` adds none."""
    if unique_id in ("model.data_stack.day_bounds", "model.data_stack.day_holidays"):
        return set()
    if unique_id in manifest["sources"]:
        return {manifest["sources"][unique_id]["source_name"]} & set(source_names())
    parents = manifest["parent_map"][unique_id]
    return set().union(*(sources_of(manifest, parent) for parent in parents))


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_model_is_described(path: Path) -> None:
    described = yaml.safe_load(path.with_suffix(".yml").read_text())["models"]
    assert [model["name"] for model in described] == [path.stem]
    assert described[0]["description"].startswith("One row per "), "the description begins with the grain"
    for column in described[0]["columns"]:
        # upstream of core, a description says only what the name does not
        is_optional = path.parent.name in ("staging", "intermediate")
        assert column.get("description", "." * is_optional).endswith("."), column["name"]
        assert column["data_type"], column["name"]


def test_contracts_are_enforced_on_the_columns_that_are_built(golden: Settings, manifest: dict[str, Any]) -> None:
    built = rows(
        golden, "select schema_name, table_name, column_name from duckdb_columns() where database_name = 'warehouse'"
    )
    for name, model in models_in(manifest).items():
        assert model["config"]["contract"]["enforced"], name
        assert {column for _, table, column in built if table == name} == set(model["columns"]), name
    assert len(models_in(manifest)) == len(MODEL_FILES)


def test_model_of_one_source_names_it(manifest: dict[str, Any]) -> None:
    for name, model in models_in(manifest).items():
        sources = sources_of(manifest, model["unique_id"])
        expected = sources.pop() if len(sources) == 1 else None
        assert model["config"]["meta"].get("source") == expected, name


def test_every_model_has_its_grain_and_a_unit_test(manifest: dict[str, Any]) -> None:
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    unique = {parent for test in tests if "unique" in test["name"] for parent in test["depends_on"]["nodes"]}
    unit_tested = {test["model"] for test in manifest["unit_tests"].values()}
    for name, model in models_in(manifest).items():
        if model["schema"] in ("core", "marts"):
            assert model["unique_id"] in unique, f"{name} has no test of its grain"
            assert name in unit_tested, f"{name} has no unit test"


def test_raw_file_of_every_source_is_attached_read_only(golden_copy: Settings) -> None:
    attached = "select database_name, readonly from duckdb_databases() where database_name like 'raw\\_%' escape '\\'"
    (shown,) = _invoke_dbt(golden_copy, ["show", "--no-write-json", "--inline", attached]).result.results
    assert sorted(map(tuple, shown.agate_table.rows)) == [(f"raw_{name}", True) for name in source_names()]


def test_no_stored_column_depends_on_the_session(golden: Settings) -> None:
    found = rows(golden, "select schema_name, column_name from duckdb_columns() where data_type like '%TIME ZONE%'")
    # DuckDB's own log table is the only one
    assert {schema for schema, _ in found} <= {"main"}


def test_every_identity_has_a_corruption() -> None:
    remedy = "a corruption is in tests/sources/<source>/identities.py; one of several sources in *_identities.py"
    assert IDENTITIES.keys() == SINGULAR_TESTS, remedy


@pytest.mark.parametrize(
    ("name", "corruption"),
    [
        pytest.param(name, corruption, id=f"{name}-{number}")
        for name, corruptions in IDENTITIES.items()
        for number, corruption in enumerate(corruptions)
    ],
)
def test_identity_can_fail(golden: Settings, tmp_path: Path, name: str, corruption: str) -> None:
    sql = (golden.build_dir / "dbt/target/compiled/data_stack/tests" / f"{name}.sql").read_text()
    assert_finds(golden, tmp_path, sql, corruption)


def test_grain_of_several_columns_can_fail(golden: Settings, tmp_path: Path, manifest: dict[str, Any]) -> None:
    tests = [node for node in manifest["nodes"].values() if node["name"].startswith("unique_combination_")]
    for test in tests:
        (model,) = (manifest["nodes"][parent] for parent in test["depends_on"]["nodes"])
        sql = (
            golden.build_dir / "dbt/target/compiled/data_stack" / test["original_file_path"] / test["path"]
        ).read_text()
        table = f"{model['schema']}.{model['name']}"
        assert_finds(golden, tmp_path, sql, f"insert into {table} from {table} limit 1")


def assert_finds(golden: Settings, tmp_path: Path, sql: str, corruption: str) -> None:
    """A test finds nothing in the golden build, and something after the corruption."""
    # the catalog is named after the file
    copy = shutil.copy(golden.build_file, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(copy)) as db:
        for source in source_names():
            db.execute(f"attach '{golden.raw_file(source)}' as raw_{source} (read_only)")
        assert db.execute(sql).fetchall() == []
        db.execute(corruption)
        assert db.execute(sql).fetchall() != []


@pytest.mark.integration
def test_docs_are_one_page_with_every_model_seed_and_exposure(golden_copy: Settings, manifest: dict[str, Any]) -> None:
    page = generate_docs(golden_copy)
    assert page == golden_copy.docs_dir / "dbt" / "index.html"
    text = page.read_text()
    assert all(path.stem in text for path in MODEL_FILES)
    seeds = [node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    assert sorted(seeds) == sorted(path.stem for path in (DBT_DIR / "seeds").glob("*.csv"))
    assert all(name in text for name in [*seeds, *(exposure["name"] for exposure in manifest["exposures"].values())])


def test_freshness_is_measured_for_every_source(golden_copy: Settings) -> None:
    outcome = _invoke_dbt(golden_copy, ["source", "freshness"])
    ages = {
        result.node.source_name: str(result.status)
        for result in outcome.result.results
        if result.node.resource_type == "source"
    }
    # how old the golden rows of each source are
    assert ages == {name: golden.FRESHNESS for name, golden in find_parts("golden").items()}


def test_dates_span_the_days_of_every_source(golden: Settings) -> None:
    days = sorted(day for part in find_parts("golden").values() for day in part.DAYS)
    expected = [(days[0], days[-1], (days[-1] - days[0]).days + 1)] if days else [(None, None, 0)]
    assert rows(golden, "select min(date_local), max(date_local), count(*) from core.dim_dates") == expected


@pytest.mark.slow
def test_marts_are_the_same_under_two_machine_time_zones(golden: Settings, tmp_path: Path) -> None:
    builds = {zone: tmp_path / zone.replace("/", "_") for zone in ("UTC", "Asia/Kolkata")}
    running = [_start_transform(golden, folder, zone) for zone, folder in builds.items()]
    for process in running:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    for folder in builds.values():
        assert differences(golden.build_file, folder / "build" / "warehouse.duckdb") == {}


def _start_transform(golden: Settings, folder: Path, zone: str) -> subprocess.Popen[str]:
    for part in (golden.raw_dir, golden.ops_dir):
        shutil.copytree(part, folder / part.name)
    skip_unit_tests(Settings.load(data_dir=folder))
    program = (
        "from data_stack.ops import Ops; from data_stack.settings import Settings;"
        " from dbt_runner.build import transform;"
        " settings = Settings.load(); transform(settings, Ops(settings), 'zone')"
    )
    environment = {**os.environ, "TZ": zone, "DATA_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
