"""Publishing: only whole builds, in one step, under open readers; snapshots, rollback and its pin."""

import json
from pathlib import Path

import duckdb
import pytest
import shapes

from data_stack import registry
from data_stack.errors import TerminalError, UsageError
from data_stack.ops import new_id
from data_stack.publications import find_pin, find_publication, list_snapshots
from data_stack.publish import build_marker, rollback
from data_stack.registry import source_names
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from orchestration import steps

SQL = """
create schema staging; create schema core; create schema marts; create schema gate;
create table gate.passed_loads (source varchar);
create table gate.personal_columns (table_name varchar, column_name varchar, data_type varchar, is_published boolean);
create table core.fct_visits as select * from (values (1, date '2024-01-31'), (2, date '2024-01-30')) t(n, day_utc);
create table core.fct_accounts as select 1 as n, date '2024-02-01' as updated_on;
create table marts.mart_visits_daily as select {value} as visits;
create view staging.stg_visits__visits as select * from core.fct_visits;
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the platform's sources there are two that only tests register."""
    shapes.register(monkeypatch, "accounts", "visits")


def build(settings: Settings, value: int) -> None:
    """A small build that is complete; `value` tells publications apart."""
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    settings.build_file.unlink(missing_ok=True)
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute(SQL.format(value=value))
        for source in registry.SOURCES:
            db.execute(f"create table if not exists {source.fact} as select date '2024-01-01' as {source.day}")
    build_marker(settings).touch()


def publish(settings: Settings, value: int, unpin: bool = False) -> steps.PublishReport:
    build(settings, value)
    return steps.publish(begin(settings), unpin)


def begin(settings: Settings) -> steps.Run:
    return steps.Run.begin(settings, new_id(), "test")


def value_of(path: Path) -> int:
    with open_warehouse(path) as db:
        row = db.execute("select visits from marts.mart_visits_daily").fetchone()
    assert row is not None
    return int(row[0])


def test_every_object_of_the_published_file_opens_alone(settings: Settings, tmp_path: Path) -> None:
    publish(settings, 1)
    alone = tmp_path / "alone.duckdb"
    alone.write_bytes(settings.warehouse_file.read_bytes())
    with duckdb.connect(str(alone), read_only=True) as db:
        objects = db.execute(
            "select table_schema, table_name, table_type from information_schema.tables order by 1, 2"
        ).fetchall()
        for schema, name, _ in objects:
            db.execute(f"select * from {schema}.{name}").fetchall()
    assert {kind for *_, kind in objects} == {"BASE TABLE"}
    assert {schema for schema, *_ in objects} == {"core", "marts", "ops"}
    assert [name for schema, name, _ in objects if schema == "ops"] == [
        "columns", "dbt_results", "loads", "metric_totals", "personal_columns", "publication", "publications",
        "runs", "semantic_manifest", "steps", "tables", "validations",
    ]  # fmt: skip


def test_the_publication_is_described(settings: Settings) -> None:
    report = publish(settings, 1)
    current = find_publication(settings.warehouse_file)
    assert current is not None
    assert current.publication_id == report.publication_id
    assert current.tables["core.fct_visits"] == 2
    loaded = {
        "visits": {"rows": 2, "data_through": "2024-01-31", "origin": None},
        "accounts": {"rows": 1, "data_through": "2024-02-01", "origin": None},
    }
    other = {"rows": 1, "data_through": "2024-01-01", "origin": None}
    assert json.loads(current.row["sources"]) == dict.fromkeys(source_names(), other) | loaded
    with open_warehouse(settings.warehouse_file) as db:
        assert db.execute("select publication_id from ops.publication").fetchall() == [(report.publication_id,)]


def test_a_platform_without_sources_publishes_its_tables(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_stack.publish.SOURCES", ())
    publish(settings, 1)
    assert value_of(settings.warehouse_file) == 1


def test_open_readers_keep_what_they_opened_and_new_ones_see_the_new(settings: Settings) -> None:
    publish(settings, 1)
    with open_warehouse(settings.warehouse_file) as reader:
        publish(settings, 2)
        assert reader.execute("select visits from marts.mart_visits_daily").fetchall() == [(1,)]
        assert value_of(settings.warehouse_file) == 2


def test_a_file_that_is_open_is_replaced_and_never_written(settings: Settings) -> None:
    publish(settings, 1)
    before = settings.warehouse_file.read_bytes()
    with settings.warehouse_file.open("rb") as opened:
        publish(settings, 2)
        assert opened.read() == before
    assert settings.warehouse_file.read_bytes() != before


def test_readers_cannot_write(settings: Settings) -> None:
    publish(settings, 1)
    with open_warehouse(settings.warehouse_file) as db, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        db.execute("delete from marts.mart_visits_daily")


def test_nothing_published_is_a_sentence(settings: Settings) -> None:
    with pytest.raises(TerminalError, match="no published warehouse at .*`make demo` or `data-stack run`"):
        value_of(settings.warehouse_file)


def test_a_build_that_is_not_complete_is_never_published(settings: Settings) -> None:
    publish(settings, 1)
    build(settings, 2)
    build_marker(settings).unlink()
    with pytest.raises(TerminalError, match="no complete build"):
        steps.publish(begin(settings))
    assert value_of(settings.warehouse_file) == 1


def test_a_failure_half_way_leaves_the_old_file_and_no_rubbish(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings, 1)
    build(settings, 2)
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("drop table core.fct_visits cascade")
    with pytest.raises(
        TerminalError, match=r"visits: the build has no core.fct_visits; .*data_stack/sources/visits.py"
    ):
        steps.publish(begin(settings))
    assert value_of(settings.warehouse_file) == 1
    assert [path.name for path in settings.data_dir.glob(".*")] == []
    assert begin(settings).ops.query("select status from steps order by rowid desc limit 1") == [{"status": "failed"}]


def test_only_the_last_snapshots_are_kept(settings: Settings) -> None:
    few = settings.model_copy(update={"snapshots_keep": 2})
    published = [publish(few, value).publication_id for value in range(4)]
    assert list_snapshots(few, begin(few).ops) == sorted(published)[-2:]


def test_rollback_returns_to_the_one_before_and_pins_it(settings: Settings) -> None:
    first = publish(settings, 1).publication_id
    second = publish(settings, 2).publication_id
    run = begin(settings)
    assert rollback(settings, run.ops, run.locks, None, "wrong numbers") == first
    assert value_of(settings.warehouse_file) == 1
    pin = find_pin(run.ops, find_publication(settings.warehouse_file))
    assert pin is not None
    assert (pin.publication_id, pin.reason, pin.is_complete) == (first, "wrong numbers", True)

    report = publish(settings, 3)
    assert (report.is_pinned, report.publication_id) == (True, first)
    assert value_of(settings.warehouse_file) == 1

    report = publish(settings, 4, unpin=True)
    assert (report.is_pinned, value_of(settings.warehouse_file)) == (False, 4)
    assert publish(settings, 5).is_pinned is False
    assert second in list_snapshots(settings, run.ops)


def test_a_snapshot_by_name_and_one_that_is_not_there(settings: Settings) -> None:
    first = publish(settings, 1).publication_id
    publish(settings, 2)
    publish(settings, 3)
    run = begin(settings)
    rollback(settings, run.ops, run.locks, first, "by name")
    assert value_of(settings.warehouse_file) == 1
    with pytest.raises(UsageError, match="no snapshot before the current publication"):
        rollback(settings, run.ops, run.locks, None, "again")
    with pytest.raises(UsageError, match="there is no snapshot 2020"):
        rollback(settings, run.ops, run.locks, "2020", "unknown")
