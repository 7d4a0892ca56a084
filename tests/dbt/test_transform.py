"""The transform step around dbt: what it refuses, records and leaves unchanged."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import shapes
from dbt_support import built_tables, make_empty_raw, rows
from parsed_project import ParsedProject
from planted_project import pay, write_project
from registered import set_sources

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.publish import semantic_manifest_file
from data_stack.redaction import describe_dbt_message
from data_stack.registry import source_names
from data_stack.settings import Settings
from dbt_runner import build as transform_module
from dbt_runner.build import generate_docs, transform
from dbt_runner.parsed import remember_unit_tests
from dbt_runner.state import hash_shared_inputs, remember_project

Edit = Callable[[str, str, str], None]
"""Replaces a text of a file of the dbt project with another."""


def test_missing_raw_file_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty_raw(settings)
    shapes.register(monkeypatch, "visits")
    with pytest.raises(TerminalError, match="visits.duckdb is missing.*data-stack ingest visits"):
        transform(settings, Ops(settings), "run")


def test_missing_build_is_named(settings: Settings) -> None:
    with pytest.raises(TerminalError, match="there is no build at .*data-stack transform"):
        generate_docs(settings)


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        ("pass", None, None),
        ("fail", "Got 3 results, configured to fail if != 0", "3 rows break it"),
        (
            "error",
            "Runtime Error in model x (x.sql)\n  Conversion Error: could not cast 'Jane' to INT64",
            "Conversion Error",
        ),
        ("error", "Runtime Error in model x (x.sql)\n  Constraint Error: duplicate key 'Jane'", "Constraint Error"),
        (
            "error",
            "Runtime Error in model x (x.sql)\n  Binder Error: no column y\n  LINE 1",
            "Binder Error: no column y",
        ),
        ("error", "Runtime Error in model x (x.sql)\n  something about 'Jane'", "Runtime Error in model x (x.sql)"),
        (
            "error",
            "Compilation Error in model x\n  the contract failed",
            "Compilation Error in model x the contract failed",
        ),
    ],
)
def test_failure_message_has_no_value_of_a_row(status: str, message: str | None, words: str | None) -> None:
    assert describe_dbt_message(status, 3, message) == words


@pytest.fixture(scope="module")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> ParsedProject:
    """The planted models and what all sources share, parsed once."""
    return ParsedProject(tmp_path_factory.mktemp("small_project"))


@pytest.fixture(scope="module")
def planted(small_project: ParsedProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small project and a data folder in which the planted models are built."""
    folder = tmp_path_factory.mktemp("planted")
    write_project(folder / "dbt")
    with pytest.MonkeyPatch.context() as patch:
        use_project(patch, folder / "dbt")
        settings = small_project.use(folder / "data")
        transform_module._prepare_build_file(settings, Ops(settings))
        pay(settings, ("a", "regular", 70), ("b", "regular", 20))
        build = ["build", "--no-write-json", "--exclude-resource-type", "unit_test"]
        assert transform_module._invoke_dbt(settings, build).success
        remember_present_project(settings)
    return folder


def use_project(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """Let the transform step build a project that knows no source."""
    set_sources(monkeypatch, ())
    monkeypatch.setattr(transform_module, "DBT_DIR", project)


@pytest.fixture
def built(small_project: ParsedProject, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a built data folder, and a dbt project to change, which the transform step then uses."""
    shutil.copytree(planted, tmp_path, dirs_exist_ok=True)
    use_project(monkeypatch, tmp_path / "dbt")
    return small_project.use(tmp_path / "data")


@pytest.fixture
def edit(built: Settings) -> Edit:
    """Edits the dbt project of `built`."""

    def replace(file: str, before: str, after: str) -> None:
        path = transform_module.DBT_DIR / file
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    return replace


@pytest.mark.integration
def test_failed_test_is_reported_recorded_and_fixed(built: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings, ops = built, Ops(built)
    pay(settings, ("c", "gift to Jane", 1), ("c", "gift to Jane", 1))
    with pytest.raises(TerminalError, match="dbt: test unique_stg_planted_id.*1 rows break it.*its SQL"):
        transform(settings, ops, "red")
    failed = ops.query("select node, resource_type, status, failures, message from dbt_results where status = 'fail'")
    assert [(row["resource_type"], row["failures"], row["message"]) for row in failed] == [
        ("test", 1, "1 rows break it")
    ]
    texts = [path for path in settings.build_dir.rglob("*") if path.is_file() and path != settings.build_file]
    assert [path for path in texts if b"Jane" in path.read_bytes()] == []

    # the build file is free again, also after the failure
    pay(settings, ("c", "gift to Jane", 1))
    seen: list[tuple[str, str]] = []
    environment = dict(os.environ)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    report = transform(settings, ops, "green", on_node=lambda node, status: seen.append((node, status)))

    assert report.models == len(list((transform_module.DBT_DIR / "models").glob("**/*.sql")))
    assert ("fct_planted", "success") in seen
    seeds = len(list((transform_module.DBT_DIR / "seeds").glob("*.csv")))
    recorded = ops.query("select * from dbt_results where run_id = 'green'")
    assert len(seen) == report.models + report.tests + seeds == len(recorded)
    # the caller's environment, logging and screen are as before
    assert dict(os.environ) == environment
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)
    assert capfd.readouterr() == ("", "")
    assert not report.full_refresh
    # a warning does not stop the build and does not quote the row
    assert [name for name in report.warnings if "stg_planted" in name] != []
    assert "Jane" not in str(report.warnings)


def begin_build(settings: Settings) -> set[str]:
    """Decide what a build does, without the build; returns the short names of what it rebuilds and unit-tests."""
    plan = transform_module._begin_build(settings, Ops(settings), full_refresh=False)
    return {"everything"} if plan.full_refresh else {name.split(".")[-1] for name in plan.included}


def mark_rows(settings: Settings) -> None:
    """Change rows of the incremental model, so that a rebuild from nothing is seen."""
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("update core.fct_planted set label = 'kept'")


def is_marked(settings: Settings) -> bool:
    """Whether `fct_planted` still has the changed rows; if not, it was removed or built from nothing."""
    if "core.fct_planted" not in built_tables(settings.build_file):
        return False
    return rows(settings, "select distinct label from core.fct_planted") == [("kept",)]


MACRO = ("macros/planted.sql", "'built'", "'rebuilt'")
DESCRIPTION = ("models/core/fct_planted.yml", "One row per payment", "A row per payment")
METRICS = ("metrics/_calendar.yml", "label: Weekend", "label: Days off")
MART = {"mart_planted", "every_payment_counts"}


@pytest.mark.parametrize(
    ("change", "included"),
    [
        (DESCRIPTION, set()),
        (("models/core/fct_planted.yml", "models:", "# a comment\nmodels:"), set()),
        (("tests/assert_planted.sql", "select", "select  "), set()),
        (METRICS, set()),
        (("models/marts/mart_planted.sql", "select", "select  "), MART),
        (
            ("models/marts/mart_planted_unit_tests.yml", "every_payment_counts", "each_payment_counts"),
            {"each_payment_counts"},
        ),
    ],
    ids=["description", "comment", "data test", "metrics", "mart", "unit test"],
)
@pytest.mark.integration
def test_change_beside_an_incremental_model_leaves_its_rows(
    built: Settings, edit: Edit, change: tuple[str, str, str], included: set[str]
) -> None:
    mark_rows(built)
    edit(*change)
    assert begin_build(built) == included
    assert is_marked(built)


@pytest.mark.integration
@pytest.mark.usefixtures("without_data_tests")
def test_changed_metrics_reach_the_build_and_rebuild_nothing(built: Settings, edit: Edit) -> None:
    manifest = semantic_manifest_file(built)
    manifest.write_text("of the build before")
    edit(*METRICS)
    report = transform(built, Ops(built), "metrics")
    assert (report.rebuilt, report.unit_tests, report.full_refresh) == ([], 0, False)
    labels = [
        dimension["label"]
        for model in json.loads(manifest.read_text())["semantic_models"]
        for dimension in model["dimensions"]
        if model["name"] == "calendar"
    ]
    assert "Days off" in labels


@pytest.mark.parametrize(
    "change",
    [
        ("models/core/fct_planted.sql", "> 60", "> 61"),
        ("models/core/fct_planted.yml", "name: is_large, data_type: boolean", "name: is_large, data_type: integer"),
        ("models/staging/stg_planted.sql", "select", "select  "),
        ("models/staging/_planted__sources.yml", "schema: planted", "schema: other"),
        ("dbt_project.yml", "+schema: core", "+schema: core\n      +persist_docs: {relation: true}"),
        MACRO,
    ],
    ids=["SQL", "contract", "staging model", "source", "config", "macro"],
)
@pytest.mark.integration
def test_change_of_an_incremental_model_or_upstream_removes_its_rows(
    built: Settings, edit: Edit, change: tuple[str, str, str]
) -> None:
    mark_rows(built)
    edit(*change)
    included = begin_build(built)
    assert {"fct_planted", *MART} <= included
    assert "dim_planted" not in included or change[0] == "dbt_project.yml"
    assert not is_marked(built)


@pytest.mark.parametrize(
    "change",
    [
        ("dbt_project.yml", "  local_time_zone:", "  another_var: 1\n  local_time_zone:"),
        ("macros/file_version.sql", 'join(", ")', 'join(",  ")'),
        ("macros/engines/duckdb.sql", "delete from", "delete  from"),
    ],
    ids=["var", "macro that dbt calls by name", "implementation of that macro"],
)
@pytest.mark.integration
def test_change_that_dbt_does_not_compare_rebuilds_everything(
    built: Settings, edit: Edit, change: tuple[str, str, str]
) -> None:
    edit(*change)
    assert begin_build(built) == {"everything"}
    edit(change[0], change[2], change[1])
    # forgotten before the build, which never finished
    assert begin_build(built) == {"everything"}


@pytest.mark.integration
def test_history_that_cannot_be_rebuilt_is_left_alone(built: Settings, edit: Edit) -> None:
    mark_rows(built)
    edit(
        "models/core/fct_planted.sql", "materialized='incremental',", "materialized='incremental', full_refresh=false,"
    )
    edit(*MACRO)
    assert "fct_planted" in begin_build(built)
    assert is_marked(built)


@pytest.mark.integration
def test_changed_seed_changes_what_reads_it(built: Settings, edit: Edit) -> None:
    edit("seeds/planted_codes.csv", "code,name\n1,one", "code,name,more\n1,one,x")
    assert begin_build(built) == {"planted_codes", "dim_planted"}
    # dbt would insert into the table, which has no such column
    assert rows(built, "select 1 from duckdb_tables() where table_name = 'planted_codes'") == []


@pytest.mark.integration
def test_macro_of_another_engine_changes_nothing(built: Settings, edit: Edit) -> None:
    edit(MACRO[0], "'spark'", "'flink'")
    assert begin_build(built) == set()


@pytest.mark.integration
def test_days_of_a_new_source_change_what_reads_the_dates(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    core = transform_module.DBT_DIR / "models" / "core"
    (core / "days_of_visits.sql").write_text("select cast('2024-01-01' as date) as date_local\n")
    column = "{name: date_local, data_type: date}"
    (core / "days_of_visits.yml").write_text(f"models:\n  - name: days_of_visits\n    columns: [{column}]\n")
    shapes.register(monkeypatch, "visits")
    assert {"days_of_visits", "day_bounds", "dim_dates"} <= begin_build(built)


@pytest.mark.integration
def test_calendar_of_a_new_source_changes_the_dates(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    core = transform_module.DBT_DIR / "models" / "core"
    for name in ("days_of_visits", "calendar_of_visits"):
        model = "select cast('2024-01-01' as date) as date_local, true as is_holiday, 'A' as holiday\n"
        (core / f"{name}.sql").write_text(model)
        types = {"date_local": "date", "is_holiday": "boolean", "holiday": "varchar"}
        columns = ", ".join(f"{{name: {column}, data_type: {kind}}}" for column, kind in types.items())
        (core / f"{name}.yml").write_text(f"models:\n  - name: {name}\n    columns: [{columns}]\n")
    shapes.register(monkeypatch, "visits")
    assert {"calendar_of_visits", "day_holidays", "dim_dates"} <= begin_build(built)


def remember_present_project(settings: Settings) -> None:
    """Record the present version of the project as built."""
    outcome = transform_module._invoke_dbt(settings, ["parse"])
    shared_inputs = hash_shared_inputs(outcome.result, transform_module.DBT_DIR / "dbt_project.yml")
    remember_project(settings, transform_module._target_dir(settings) / "manifest.json", shared_inputs)


@pytest.mark.integration
def test_build_after_a_change_remembers_it(built: Settings, edit: Edit) -> None:
    settings, ops = built, Ops(built)
    mark_rows(settings)
    edit(*DESCRIPTION)
    described = transform(settings, ops, "described")
    assert is_marked(settings)
    assert (described.unit_tests, described.rebuilt, described.full_refresh) == (0, [], False)
    assert described.summary().endswith("; unit tests run when their models change")
    by_month = replace(described, written_months={"fct_planted": ["2024-05", "2024-06"]})
    assert by_month.summary().endswith("; months written of fct_planted: 2")
    edit(*MACRO)
    changed = transform(settings, ops, "changed")
    assert not is_marked(settings)
    assert (changed.rebuilt, changed.full_refresh) == (["fct_planted"], False)
    assert changed.summary().endswith("; unit tests of what has changed included; fct_planted built from nothing")
    ran = {row["node"] for row in ops.query("select node from dbt_results where resource_type = 'unit_test'")}
    assert ran == {"every_payment_counts"}
    assert changed.unit_tests == changed.tests - described.tests == 1
    assert begin_build(settings) == set()
    assert len(list((settings.build_dir / "dbt" / "state").iterdir())) == 1


def test_unit_tests_pass_once_for_each_version_of_the_project(
    built: Settings, edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbt_runner.parsed.PROJECT_ROOT", tmp_path)
    ops = Ops(built)
    left_out = ["--exclude-resource-type", "unit_test"]
    edit(*MACRO)
    plan = transform_module._begin_build(built, ops, full_refresh=False)
    assert plan.list_arguments()[:1] == ["--exclude"]
    # it runs some of the unit tests, which proves nothing about the others
    assert not plan.runs_all_unit_tests()
    asked = transform_module._begin_build(built, ops, full_refresh=True)
    assert asked.list_arguments() == ["--full-refresh"]
    assert asked.runs_all_unit_tests()
    remember_unit_tests(plan.project_hash)
    proved = transform_module._begin_build(built, ops, full_refresh=False)
    assert proved.included
    assert proved.list_arguments()[-2:] == left_out
    assert transform_module._begin_build(built, ops, full_refresh=True).list_arguments() == ["--full-refresh"]
    edit(MACRO[0], MACRO[2], "'rebuilt again'")
    assert transform_module._begin_build(built, ops, full_refresh=False).list_arguments()[-2:] != left_out


@pytest.mark.integration
def test_failed_build_is_not_taken_for_the_version_before_it(built: Settings, edit: Edit) -> None:
    wrong = ("models/marts/mart_planted.sql", "select", "selec")
    edit(*MACRO)
    edit(*wrong)
    with pytest.raises(
        TerminalError, match=r"unit test every_payment_counts failed .*marts/mart_planted_unit_tests.yml"
    ):
        transform(built, Ops(built), "failed")
    assert "core.fct_planted" in built_tables(built.build_file)
    # as in the last build that succeeded, but not as in the one that failed
    edit(wrong[0], wrong[2], wrong[1])
    edit(MACRO[0], MACRO[2], MACRO[1])
    report = transform(built, Ops(built), "fixed")
    assert report.rebuilt == ["fct_planted"]
    assert begin_build(built) == set()


@pytest.mark.integration
def test_build_killed_before_it_is_remembered_is_built_again(built: Settings, edit: Edit) -> None:
    change = ("models/core/fct_planted.sql", "> 60", "> 10")
    edit(*change)
    begin_build(built)
    assert transform_module._invoke_dbt(built, ["run", "--select", "fct_planted"]).success
    assert rows(built, "select count(*) from core.fct_planted where is_large") == [(2,)]
    # the change is taken back; dbt alone would find nothing modified and keep the rows
    edit(change[0], change[2], change[1])
    assert "fct_planted" in begin_build(built)
    assert "core.fct_planted" not in built_tables(built.build_file)


@pytest.mark.integration
def test_build_file_of_an_earlier_version_gets_one_full_refresh(golden_copy: Settings) -> None:
    with duckdb.connect(str(golden_copy.build_file)) as db:
        db.execute("drop table gate.built_project; drop table gate.unfinished_nodes")
        db.execute("create table gate.built_with as select 'hash of the folder' as project_hash")
    assert begin_build(golden_copy) == {"everything"}
    assert rows(golden_copy, "select 1 from duckdb_tables() where table_name = 'built_with'") == []
    remember_present_project(golden_copy)
    assert begin_build(golden_copy) == set()


@pytest.mark.parametrize("text", [None, "{}", "not JSON"])
@pytest.mark.integration
def test_unreadable_state_means_a_full_refresh(golden_copy: Settings, text: str | None) -> None:
    (manifest,) = (golden_copy.build_dir / "dbt" / "state").glob("*/manifest.json")
    # otherwise dbt does not have to compare
    manifest.with_name("project_hash").unlink()
    if text is None:
        manifest.unlink()
    else:
        manifest.write_text(text)
    assert begin_build(golden_copy) == {"everything"}


def test_only_decided_loads_are_read(golden_copy: Settings) -> None:
    settings, ops = golden_copy, Ops(golden_copy)
    passed = {name: len(ops.passed_loads(name)) for name in source_names()}
    assert all(passed.values())
    for superseded in source_names()[:1]:
        ops.supersede_loads(superseded)
        del passed[superseded]
    transform_module._prepare_build_file(settings, ops)
    written = rows(settings, "select source, count(*) from gate.passed_loads group by source order by source")
    assert dict(written) == passed
