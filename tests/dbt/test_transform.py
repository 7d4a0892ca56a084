"""The transform step around dbt: what it refuses, records and leaves unchanged."""

import logging
import os
import shutil
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from dbt_support import built_tables, rows
from raw_builder import build_raw, pass_loads

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.redaction import describe_dbt_message
from data_stack.settings import Settings
from dbt_runner import build as transform_module
from dbt_runner.build import DBT_DIR, generate_docs, transform
from dbt_runner.state import hash_shared_inputs, remember_project

Edit = Callable[[str, str, str], None]
"""Replaces a text of a file of the dbt project with another."""


def test_missing_raw_file_is_named(settings: Settings) -> None:
    build_raw(settings, "bike")
    with pytest.raises(TerminalError, match="weather.duckdb is missing.*data-stack ingest weather"):
        transform(settings, Ops(settings.ops_dir), "run")


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


@pytest.mark.integration
def test_failed_test_is_reported_recorded_and_fixed(data: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings, ops = data, Ops(data.ops_dir)
    gift = {
        "transaction_id": "t1",
        "date": date(2024, 1, 1),
        "name": "Jane Doe",
        "amount": Decimal("1.00"),
        "status": "posted",
        "type": "gift to Jane",
        "source_line": 2,
    }
    twice = [gift, {**gift, "source_line": 3}]
    build_raw(settings, "transactions", {"transactions": twice}, load_id="5.0")
    pass_loads(settings)
    with pytest.raises(
        TerminalError,
        match="dbt: test unique_int_transactions__current_transaction_id.*1 rows break it.*its SQL",
    ):
        transform(settings, ops, "red")
    failed = ops.query("select node, resource_type, status, failures, message from dbt_results where status = 'fail'")
    assert [(row["resource_type"], row["failures"], row["message"]) for row in failed] == [
        ("test", 1, "1 rows break it")
    ]
    texts = [path for path in settings.build_dir.rglob("*") if path.is_file() and path != settings.build_file]
    assert [path for path in texts if b"Jane" in path.read_bytes()] == []

    # the build file is free again, also after the failure
    with duckdb.connect(str(settings.build_file)) as db:
        assert db.execute("select count(*) from gate.passed_loads").fetchone() == (1,)

    with duckdb.connect(str(settings.raw_file("transactions"))) as db:
        db.execute("delete from raw.transactions where source_line = 3")
    seen: list[tuple[str, str]] = []
    environment = dict(os.environ)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    report = transform(settings, ops, "green", on_node=lambda node, status: seen.append((node, status)))

    assert report.models == len(list((DBT_DIR / "models").glob("**/*.sql")))
    assert ("fct_transactions", "success") in seen
    seeds = len(list((DBT_DIR / "seeds").glob("*.csv")))
    recorded = ops.query("select * from dbt_results where run_id = 'green'")
    assert len(seen) == report.models + report.tests + seeds == len(recorded)
    # the caller's environment, logging and screen are as before
    assert dict(os.environ) == environment
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)
    assert capfd.readouterr() == ("", "")
    assert not report.full_refresh
    # the gate rejects an unknown type; a load that was accepted manually with one still builds
    assert "Jane" not in str(report.warnings)
    assert len(report.warnings) == 1


@pytest.fixture
def edit(golden_copy: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Edits a copy of the dbt project, which the transform step then uses; `golden_copy` is built from the original."""
    folder = Path(shutil.copytree(DBT_DIR, tmp_path / "dbt"))
    monkeypatch.setattr(transform_module, "DBT_DIR", folder)

    def replace(file: str, before: str, after: str) -> None:
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after))

    return replace


def begin_build(settings: Settings) -> set[str]:
    """Decide what a build does, without the build; returns the short names of what it rebuilds and unit-tests."""
    plan = transform_module._begin_build(settings, Ops(settings.ops_dir), full_refresh=False)
    return {"everything"} if plan.full_refresh else {name.split(".")[-1] for name in plan.included}


def plant(settings: Settings) -> None:
    """Change rows of the incremental model, so that a rebuild from nothing is seen."""
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("update core.fct_trips set rideable_type = 'planted'")


def is_planted(settings: Settings) -> bool:
    """Whether `fct_trips` still has the changed rows; if not, it was removed or built from nothing."""
    if "core.fct_trips" not in built_tables(settings.build_file):
        return False
    return rows(settings, "select distinct rideable_type from core.fct_trips") == [("planted",)]


UTC_MACRO = ("macros/engines/duckdb.sql", "timezone('UTC', timezone(", "timezone( 'UTC', timezone(")
DESCRIPTION = ("models/core/fct_trips.yml", "One row per ride", "A row per ride")


@pytest.mark.parametrize(
    ("change", "included"),
    [
        (DESCRIPTION, set()),
        (("models/core/fct_trips.yml", "models:", "# a comment\nmodels:"), set()),
        (("tests/assert_money_adds_up.sql", "select", "select  "), set()),
        (
            ("models/marts/mart_weather_effect.sql", "select", "select  "),
            {"mart_weather_effect", "groups_average_the_hours_that_can_be_compared"},
        ),
        (
            ("models/marts/mart_weather_effect_unit_tests.yml", "- name: groups_average", "- name: renamed_average"),
            {"renamed_average_the_hours_that_can_be_compared"},
        ),
    ],
    ids=["description", "comment", "data test", "mart", "unit test"],
)
@pytest.mark.integration
def test_change_beside_an_incremental_model_leaves_its_rows(
    golden_copy: Settings, edit: Edit, change: tuple[str, str, str], included: set[str]
) -> None:
    plant(golden_copy)
    edit(*change)
    assert begin_build(golden_copy) == included
    assert is_planted(golden_copy)


@pytest.mark.parametrize(
    "change",
    [
        ("models/core/fct_trips.sql", "86400", "86401"),
        ("models/core/fct_trips.yml", "data_type: decimal(14,3)", "data_type: decimal(15,3)"),
        ("models/staging/stg_bike__trips.sql", "select", "select  "),
        ("models/staging/_bike__sources.yml", "database: raw_bike", "database: raw_bikes"),
        ("dbt_project.yml", "+schema: core", "+schema: core\n      +persist_docs: {relation: true}"),
        UTC_MACRO,
    ],
    ids=["SQL", "contract", "staging model", "source", "config", "macro"],
)
@pytest.mark.integration
def test_change_of_an_incremental_model_or_upstream_removes_its_rows(
    golden_copy: Settings, edit: Edit, change: tuple[str, str, str]
) -> None:
    plant(golden_copy)
    edit(*change)
    included = begin_build(golden_copy)
    assert {"fct_trips", "mart_demand_daily"} <= included
    assert "fct_transactions" not in included or change[0] == "dbt_project.yml"
    assert not is_planted(golden_copy)


@pytest.mark.parametrize(
    "change",
    [
        ("dbt_project.yml", "America/New_York", "America/Chicago"),
        ("macros/file_version.sql", 'join(", ")', 'join(",  ")'),
        ("macros/engines/duckdb.sql", "delete from", "delete  from"),
    ],
    ids=["var", "macro that dbt calls by name", "implementation of that macro"],
)
@pytest.mark.integration
def test_change_that_dbt_does_not_compare_rebuilds_everything(
    golden_copy: Settings, edit: Edit, change: tuple[str, str, str]
) -> None:
    edit(*change)
    assert begin_build(golden_copy) == {"everything"}
    edit(change[0], change[2], change[1])
    # forgotten before the build, which never finished
    assert begin_build(golden_copy) == {"everything"}


@pytest.mark.integration
def test_history_that_cannot_be_rebuilt_is_left_alone(golden_copy: Settings, edit: Edit) -> None:
    plant(golden_copy)
    edit("models/core/fct_trips.sql", "materialized='incremental',", "materialized='incremental', full_refresh=false,")
    edit(*UTC_MACRO)
    assert "fct_trips" in begin_build(golden_copy)
    assert is_planted(golden_copy)


@pytest.mark.integration
def test_changed_seed_and_dispatched_macro_change_what_reads_them(golden_copy: Settings, edit: Edit) -> None:
    folder = transform_module.DBT_DIR
    (folder / "seeds" / "codes.csv").write_text("code,name\n1,one\n")
    (folder / "macros" / "one.sql").write_text(
        "{% macro one() %}{{ return(adapter.dispatch('one')()) }}{% endmacro %}\n"
        "{% macro duckdb__one() %}1{% endmacro %}\n{% macro spark__one() %}1.0{% endmacro %}\n"
    )
    edit("models/marts/mart_weather_effect.sql", "with ", "-- {{ one() }} {{ ref('codes') }}\nwith ")
    mart = {"mart_weather_effect", "groups_average_the_hours_that_can_be_compared"}
    assert begin_build(golden_copy) == {"codes", *mart}
    remember_present_project(golden_copy)
    assert begin_build(golden_copy) == set()
    edit("macros/one.sql", "1.0", "2.0")
    assert begin_build(golden_copy) == set()
    edit("macros/one.sql", "%}1{%", "%}2{%")
    assert begin_build(golden_copy) == mart
    remember_present_project(golden_copy)
    with duckdb.connect(str(golden_copy.build_file)) as db:
        db.execute("create schema if not exists seeds; create table seeds.codes as select 1 as code, 'one' as name")
    edit("seeds/codes.csv", "code,name\n1,one", "code,name,more\n1,one,x")
    assert begin_build(golden_copy) == {"codes", *mart}
    # dbt would insert into the table, which has no such column
    assert rows(golden_copy, "select 1 from duckdb_tables() where table_name = 'codes'") == []


def remember_present_project(settings: Settings) -> None:
    """Record the present version of the project as built."""
    outcome = transform_module._invoke_dbt(settings, ["parse"])
    shared_inputs = hash_shared_inputs(outcome.result, transform_module.DBT_DIR / "dbt_project.yml")
    remember_project(settings, transform_module._target_dir(settings) / "manifest.json", shared_inputs)


@pytest.mark.integration
def test_build_after_a_change_remembers_it(golden_copy: Settings, edit: Edit) -> None:
    settings, ops = golden_copy, Ops(golden_copy.ops_dir)
    plant(settings)
    edit(*DESCRIPTION)
    described = transform(settings, ops, "described")
    assert is_planted(settings)
    assert (described.unit_tests, described.rebuilt, described.full_refresh) == (0, [], False)
    assert described.describe_scope() == "unit tests run when their models change"
    edit(*UTC_MACRO)
    changed = transform(settings, ops, "changed")
    assert not is_planted(settings)
    assert (changed.rebuilt, changed.full_refresh) == (["fct_trips"], False)
    assert changed.describe_scope() == "unit tests of what has changed included; fct_trips built from nothing"
    ran = {row["node"] for row in ops.query("select node from dbt_results where resource_type = 'unit_test'")}
    assert len(ran) == changed.unit_tests == changed.tests - described.tests
    assert "refund_reduces_spending" not in ran
    assert begin_build(settings) == set()
    assert len(list((settings.build_dir / "dbt" / "state").iterdir())) == 1


@pytest.mark.slow
def test_failed_build_is_not_taken_for_the_version_before_it(golden_copy: Settings, edit: Edit) -> None:
    wrong = ("models/marts/mart_weather_effect.sql", "select", "selec")
    edit(*UTC_MACRO)
    edit(*wrong)
    unit_test = "groups_average_the_hours_that_can_be_compared"
    with pytest.raises(TerminalError, match=f"unit test {unit_test} failed .*marts/mart_weather_effect_unit_tests.yml"):
        transform(golden_copy, Ops(golden_copy.ops_dir), "failed")
    assert "core.fct_trips" in built_tables(golden_copy.build_file)
    # as in the last build that succeeded, but not as in the one that failed
    edit(wrong[0], wrong[2], wrong[1])
    edit(UTC_MACRO[0], UTC_MACRO[2], UTC_MACRO[1])
    report = transform(golden_copy, Ops(golden_copy.ops_dir), "fixed")
    assert report.rebuilt == ["fct_trips"]
    assert begin_build(golden_copy) == set()


@pytest.mark.integration
def test_build_killed_before_it_is_remembered_is_built_again(golden_copy: Settings, edit: Edit) -> None:
    change = ("models/core/fct_trips.sql", "duration_seconds > 86400", "duration_seconds > 60")
    edit(*change)
    begin_build(golden_copy)
    assert transform_module._invoke_dbt(golden_copy, ["run", "--select", "fct_trips"]).success
    long_rides = "select count(*) from core.fct_trips where is_longer_than_day"
    assert rows(golden_copy, long_rides) != [(0,)]
    # the change is taken back; dbt alone would find nothing modified and keep the rows
    edit(change[0], change[2], change[1])
    assert "fct_trips" in begin_build(golden_copy)
    assert "core.fct_trips" not in built_tables(golden_copy.build_file)


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
    if text is None:
        manifest.unlink()
    else:
        manifest.write_text(text)
    assert begin_build(golden_copy) == {"everything"}


def test_only_decided_loads_are_read(golden_copy: Settings) -> None:
    settings, ops = golden_copy, Ops(golden_copy.ops_dir)
    ops.supersede_loads("transactions")
    transform_module._prepare_build_file(settings, ops)
    passed = rows(settings, "select source, count(*) from gate.passed_loads group by 1 order by 1")
    assert passed == [("bike", 2), ("weather", 1)]
