"""Drafts of a sample: they compile, are green on the sample and red on plausible nonsense."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from data_stack.settings import Settings
from dlt_pipeline.tables import RawTable
from scaffold.profile.draft_suite import draft_suite
from scaffold.profile.drafts import (
    draft_schema,
    draft_sources_yml,
    draft_staging_sql,
    draft_staging_yml,
    list_draft_columns,
)
from scaffold.profile.model import Profile
from scaffold.profile.read import profile_file

HEADER = "Trip ID,startedAt,order,distance_km,end_latitude,fare_amount,payment_kind,driver_email,reported_time,size"
CLEAN_SIZES = 200

Evaluate = Callable[..., set[tuple[str, str]]]


def trip(number: int) -> str:
    day, kind = f"2024-03-{number % 28 + 1:02}", ["cash", "card's\"", "app"][number % 3]
    kind = '"' + kind.replace('"', '""') + '"'
    return (
        f"{number:06},{day} 10:{number % 60:02}:00,{number % 9},{number % 40 / 4},40.{number % 10},{number / 100:.2f},"
        f"{kind},canary{number}@example.com,{1_710_000_000 + number},{number % 5}"
    )


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The profile of a clean sample."""
    path = tmp_path_factory.mktemp("sample") / "trips.csv"
    path.write_text("\n".join([HEADER, *(trip(number) for number in range(CLEAN_SIZES))]))
    return profile_file(str(path), Settings.load())


def test_only_a_name_that_is_not_valid_is_changed(tmp_path: Path) -> None:
    (tmp_path / "air.csv").write_text("pm2_5,PM10,Trip ID,2nd\n1,2,3,4\n")
    columns = list_draft_columns(profile_file(str(tmp_path / "air.csv"), Settings.load()))
    assert [column.name for column in columns] == ["pm2_5", "pm_10", "trip_id", "_2_nd"]


def run_draft(text: str) -> dict[str, Any]:
    """Run a draft as the module that it becomes."""
    names: dict[str, Any] = {}
    exec(compile(text, "draft.py", "exec"), names)
    return names


@pytest.fixture(scope="module")
def evaluate(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    """Loads the sample into the drafted raw table, changes it, and evaluates the drafted suite."""
    from data_quality.evaluate import Evaluator

    evaluator = Evaluator(500_000)
    table: RawTable = run_draft(draft_schema(profile, "taxi", "trips"))["TRIPS"]
    checks = run_draft(draft_suite(profile, "taxi", "trips"))["CHECKS"]

    def run(change: str = "") -> set[tuple[str, str]]:
        """Column and severity of each expectation that fails."""
        file = tmp_path_factory.mktemp("raw") / "a.csv"
        file.write_text("\n".join(trip(number) for number in range(CLEAN_SIZES)))
        with duckdb.connect() as db:
            db.execute("create schema raw")
            empty = table.schema.empty_table()  # noqa: F841
            db.execute("create table raw.trips as select *, null::varchar as _dlt_load_id from empty")
            db.execute(
                "insert into raw.trips select *, 'a.csv', 1, '1.0' from read_csv(?, header = false, all_varchar = true,"
                " delim = ',', quote = '\"')",
                [str(file)],
            )
            db.execute(change or "select 1")
            tallies = evaluator.evaluate(db, checks, "1.0")
        records = [tally.create_record() for tally in tallies]
        assert not [record.reason for record in records if record.reason.startswith(("It could not", "The frame"))]
        return {(record.column, record.severity) for record in records if not record.success}

    return run


def test_the_schema_has_the_types_of_the_sample(profile: Profile) -> None:
    text = draft_schema(profile, "taxi", "trips")
    table: RawTable = run_draft(text)["TRIPS"]

    assert table.key == ("trip_id",)
    assert {name: str(table.schema.field(name).type) for name in table.schema.names} == {
        "trip_id": "string",
        "started_at": "timestamp[us]",
        "order": "int64",
        "distance_km": "double",
        "end_latitude": "double",
        "fare_amount": "decimal128(18, 2)",
        "payment_kind": "string",
        "driver_email": "string",
        "reported_time": "int64",
        "size": "int64",
        "batch": "string",
        "source_line": "int64",
    }
    assert "time zone unknown" in text
    assert "personal: list it" in text


def test_the_suite_passes_on_its_own_sample(evaluate: Evaluate) -> None:
    assert evaluate() == set()


@pytest.mark.parametrize(
    ("change", "column", "severity"),
    [
        ("update raw.trips set distance_km = -distance_km", "is_distance_km_negative", "critical"),
        ("update raw.trips set fare_amount = -1 where trip_id = '000007'", "is_fare_amount_negative", "critical"),
        (
            "update raw.trips set started_at = started_at - interval 20 year",
            "started_at_days_before_sample",
            "critical",
        ),
        (
            "update raw.trips set started_at = started_at + interval 20 year",
            "started_at_days_after_today",
            "critical",
        ),
        ("update raw.trips set reported_time = 1000000000", "reported_time_days_before_sample", "critical"),
        ("update raw.trips set end_latitude = 400", "end_latitude", "critical"),
        ("update raw.trips set trip_id = '000001' where trip_id = '000002'", "copies_of_key", "critical"),
        ("update raw.trips set trip_id = null where trip_id = '000002'", "trip_id", "critical"),
        ("update raw.trips set payment_kind = 'barter' where trip_id = '000002'", "payment_kind", "warning"),
        ("update raw.trips set distance_km = 1000 where trip_id = '000002'", "distance_km", "warning"),
        ("update raw.trips set driver_email = ' ' where trip_id = '000002'", "driver_email", "warning"),
        ("delete from raw.trips where trip_id > '000010'", "rows_of_file", "critical"),
    ],
)
def test_plausible_nonsense_fails(evaluate: Evaluate, change: str, column: str, severity: str) -> None:
    assert (column, severity) in evaluate(change)


def test_no_draft_contains_a_personal_value(profile: Profile) -> None:
    texts = [draft(profile, "taxi", "trips") for draft in (draft_schema, draft_suite, draft_staging_sql)]
    texts += [draft(profile, "taxi", "trips") for draft in (draft_staging_yml, draft_sources_yml)]

    assert not [text for text in texts if "canary" in text]
    assert all("ADAPT(taxi)" in text for text in texts)


def test_the_frame_of_the_suite_has_no_personal_value(profile: Profile) -> None:
    rows = run_draft(draft_suite(profile, "taxi", "trips"))["CHECKS"][0].sql

    assert "case when trim(driver_email) != '' then true end as driver_email" in rows


def test_staging_names_every_column_and_its_yml_too(profile: Profile) -> None:
    sql = draft_staging_sql(profile, "taxi", "trips")
    model = yaml.safe_load(draft_staging_yml(profile, "taxi", "trips"))["models"][0]
    source = yaml.safe_load(draft_sources_yml(profile, "taxi", "trips"))["sources"][0]

    assert model["name"] == "stg_taxi__trips"
    assert [column["name"] for column in model["columns"]][:4] == ["trip_id", "started_at", "order", "distance_km"]
    assert "{{ text_or_null('payment_kind') }} as payment_kind" in sql
    assert '\n        "order",\n' in sql
    assert "'raw_taxi' if target.type == 'duckdb'" in source["database"]
    assert source["tables"][0]["name"] == "trips"
    # what dbt makes of it is valid SQL
    rendered = sql.replace("{{ source('taxi', 'trips') }}", "rows").replace("{{ passed_loads('taxi') }}", "('1')")
    rendered = rendered.replace("{{ text_or_null('", "nullif(trim(").replace("') }}", "), '')")
    with duckdb.connect() as db:
        empty = run_draft(draft_schema(profile, "taxi", "trips"))["TRIPS"].schema.empty_table()  # noqa: F841
        db.execute("create table rows as select *, '1' as _dlt_load_id from empty")
        assert len(db.execute(rendered).description) == len(model["columns"])


def test_a_column_name_cannot_leave_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"x"");import os#",select,"a\nb",1st\n' + "".join(f"{n},{n % 2},{n},{n}\n" for n in range(5)))
    profile = profile_file(str(path), Settings.load())

    schema = run_draft(draft_schema(profile, "taxi"))["ROWS"].schema

    assert schema.names[:4] == ["x_import_os", "select", "a_b", "_1_st"]
    assert run_draft(draft_suite(profile, "taxi"))["CHECKS"]
