"""Loading through dlt: killed runs, keys, empty tables, and what is recorded."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest
from ingestion import column, load, raw, stage_source
from providers import Serve
from sources.bike.provider import month_of_rides, ride, write_zip

from data_stack.errors import LockHeldError, TerminalError
from data_stack.loads import find_pending_loads, find_present_loads
from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.registry import SOURCES, Source, get_source
from data_stack.settings import Settings
from dlt_pipeline.bike import TABLES, TRIPS
from dlt_pipeline.load import ensure_tables, reset
from dlt_pipeline.parts import PART_ROWS
from dlt_pipeline.reader import find_reader
from dlt_pipeline.stage import Counts, Reject, open_stage
from dlt_pipeline.transfer import _make_source, _open_pipeline

JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
KEYS = {month: f"JC-{month:%Y%m}-citibike-tripdata.csv.zip" for month in (JANUARY, FEBRUARY)}

# where the process is killed: in dlt's own steps, or between dlt's end and our record
KILL_AT = {
    "before extracting": "dlt.extract.extract.Extract.extract",
    "before normalizing": "dlt.normalize.normalize.Normalize.run",
    "before loading": "dlt.load.load.Load.run",
    "rows merged, load not finished": "dlt.destinations.job_client_impl.SqlJobClientBase.complete_load",
    "loaded, not recorded": "data_stack.ops.Ops.record_load",
}
CHILD = """
import os, signal, sys
from importlib import import_module
where, start, end = sys.argv[1:]
module, owner, method = where.rsplit(".", 2)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(getattr(import_module(module), owner), method, die)
from ingestion import load
from data_stack.settings import Settings
load(Settings.load(), "bike", start, end)
"""


def kill_while_loading(where: str) -> None:
    """Ingest January in a process of its own that is killed at `where`."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, where, "2024-01-01", "2024-01-31"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.integration
def test_where_nothing_is_new_dlt_is_not_imported(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEYS[JANUARY], month_of_rides(JANUARY, 31))
    serve()
    again = "import sys; from ingestion import load; from data_stack.settings import Settings\n"
    again += "print(load(Settings.load(), 'bike').counts.loaded, 'dlt' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    for said in ("31 True", "0 False"):
        done = subprocess.run(
            [sys.executable, "-c", again], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == said


@pytest.mark.slow
@pytest.mark.parametrize("where", KILL_AT.values(), ids=KILL_AT)
def test_a_killed_load_loses_and_duplicates_nothing(settings: Settings, bucket: Path, serve: Serve, where: str) -> None:
    for month, key in KEYS.items():
        write_zip(bucket, key, month_of_rides(month, 150, first=month.month * 1000))
    serve()
    kill_while_loading(where)
    if where == KILL_AT["before extracting"]:
        # dlt makes the file before its tables
        duckdb.connect(str(settings.raw_file("bike"))).close()
        assert find_present_loads(settings, get_source("bike")) == []
    load(settings, "bike", "2024-01-01", "2024-02-29")
    assert raw(
        settings, "bike", "select batch, count(*), count(distinct ride_id) from raw.trips group by 1 order by 1"
    ) == [
        (KEYS[JANUARY], 150, 150),
        (KEYS[FEBRUARY], 150, 150),
    ]
    ops = Ops(settings)
    recorded = {row["load_id"]: row["rows_loaded"] for row in ops.query("select * from loads")}
    present = raw(settings, "bike", "select _dlt_load_id, count(*) from raw.trips group by 1")
    assert {load_id: recorded[load_id] for load_id, _ in present} == dict(present)
    assert load(settings, "bike", "2024-01-01", "2024-02-29").load_id is None


@pytest.mark.slow
def test_rows_of_an_unfinished_load_are_not_readable(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEYS[JANUARY], month_of_rides(JANUARY))
    serve()
    kill_while_loading(KILL_AT["rows merged, load not finished"])
    with pytest.raises(TerminalError, match=r"was interrupted; `data-stack ingest bike` loads it again"):
        find_present_loads(settings, get_source("bike"))


@pytest.mark.slow
def test_a_removed_raw_file_is_loaded_again_although_state_was_left(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, KEYS[JANUARY], month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    settings.raw_file("bike").unlink()
    assert load(settings, "bike").counts.loaded == 120
    assert column(settings, "bike", "select count(*) from raw.trips") == [120]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
@pytest.mark.integration
def test_a_source_never_loaded_has_its_tables_empty_and_typed(settings: Settings, source: Source) -> None:
    ensure_tables(source, settings)
    with duckdb.connect(str(settings.raw_file(source.name)), read_only=True) as db:
        for table in find_reader(source.name).tables:
            assert db.execute(f"select count(*) from raw.{table.name}").fetchone() == (0,)
            found = db.execute(f"select * exclude (_dlt_load_id) from raw.{table.name}").to_arrow_table().schema
            assert found.names == table.schema.names
            assert [_duckdb_type(kind) for kind in found.types] == [_duckdb_type(kind) for kind in table.schema.types]
    assert find_pending_loads(settings, Ops(settings), source) == []


def _duckdb_type(kind: pa.DataType) -> str:
    return "string" if pa.types.is_large_string(kind) else str(kind)


@pytest.mark.integration
def test_timestamps_land_without_a_zone(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEYS[JANUARY], [ride(1, "2024-01-05 08:00:00.123", "2024-01-05 08:10:00")])
    serve()
    load(settings, "bike")
    assert raw(settings, "bike", "select typeof(started_at_local), started_at_local::varchar from raw.trips") == [
        ("TIMESTAMP", "2024-01-05 08:00:00.123")
    ]


def trips(*ids: str | None, file: str | None = "f.zip") -> pa.Table:
    rows = [{"ride_id": ride_id, "batch": file, "source_line": line} for line, ride_id in enumerate(ids, 2)]
    return pa.Table.from_pylist([{name: row.get(name) for name in TRIPS.schema.names} for row in rows], TRIPS.schema)


def test_a_null_key_never_reaches_dlt(settings: Settings) -> None:
    with open_stage(settings, "bike", TABLES) as stage:
        stage.write_rows(TRIPS, trips("a", None))
        stage.count_read("f.zip", 2)
        with pytest.raises(TerminalError, match="a row of trips has no batch or ride_id"):
            stage.check()


def test_a_duplicate_row_is_dropped_and_the_first_row_stays(settings: Settings) -> None:
    with open_stage(settings, "bike", TABLES) as stage:
        stage.write_rows(TRIPS, trips("a", "b"))
        stage.write_rows(TRIPS, trips("b", "a", "c"))
        stage.count_read("f.zip", 5)
        with pytest.raises(TerminalError, match=r"trips has a duplicate key \(batch, ride_id\)"):
            stage.check()
        stage.drop_duplicates()
        counts = stage.check()
        assert (counts.read, counts.loaded, counts.repeated) == (5, 3, 2)
        assert stage.query("select ride_id, source_line from trips order by 1") == [("a", 2), ("b", 3), ("c", 4)]


def test_rows_of_many_parts_stay_in_their_order_when_some_are_dropped(settings: Settings) -> None:
    with open_stage(settings, "bike", TABLES) as stage:
        ids = [f"{number:08}" for number in range(2 * PART_ROWS + 10)]
        for first in range(0, len(ids), 50_000):
            stage.write_rows(TRIPS, trips(*ids[first : first + 50_000]))
        stage.write_rows(TRIPS, trips(ids[3], ids[-1]))
        stage.count_read("f.zip", len(ids) + 2)
        stage.drop_duplicates()
        assert stage.count_batch("f.zip") == Counts(len(ids) + 2, len(ids), 0, 2)
        assert [row[0] for row in stage.query("select ride_id from trips order by stage_order")] == ids
        assert stage.check().loaded == len(ids)


def test_another_row_with_the_same_key_is_rejected_and_no_duplicate(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    rides = month_of_rides(JANUARY, 300)
    other = ride(6, "2024-01-20 10:00:00")
    write_zip(bucket, KEYS[JANUARY], [*rides, rides[5], other])
    serve()
    with stage_source(settings, "bike") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected, counts.repeated) == (302, 300, 1, 1)
        assert stage.query("select source_line, reason from rejects") == [
            (303, "an earlier row has its key and other values")
        ]


def test_rows_that_do_not_add_up_are_an_error(settings: Settings) -> None:
    with open_stage(settings, "bike", TABLES) as stage:
        stage.write_rows(TRIPS, trips("a"))
        stage.write_rejects([Reject("f.zip", 3, "broken", "x")])
        stage.count_read("f.zip", 3)
        with pytest.raises(TerminalError, match=r"f\.zip has 3 rows, but 1 to load, 1 rejected and 0 duplicates"):
            stage.check()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_staged_columns_have_the_types_of_the_raw_table_without_rows_too(settings: Settings, source: Source) -> None:
    with open_stage(settings, source.name, find_reader(source.name).tables) as stage:
        for table in find_reader(source.name).tables:
            typed = table.schema.empty_table()
            raw_types = duckdb.sql("describe from typed").fetchall()
            assert stage.query(f"describe select * exclude (stage_order) from {table.name}") == raw_types, typed.schema


@pytest.mark.integration
def test_a_load_is_refused_while_another_process_holds_the_raw_file(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, KEYS[JANUARY], month_of_rides(JANUARY))
    serve()
    code = (
        "import time; from data_stack.locks import Locks; from data_stack.settings import Settings\n"
        "with Locks(Settings.load(), 'run 42').hold('raw-bike'): print('held', flush=True); time.sleep(30)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError, match=rf"raw-bike is in use by run 42 \(pid {holder.pid} on "):
            load(settings, "bike")
    finally:
        holder.kill()
        holder.wait()
    assert load(settings, "bike").counts.loaded == 120


@pytest.mark.integration
def test_reset_removes_rows_state_and_downloads(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEYS[JANUARY], month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    ops = Ops(settings)
    reset(get_source("bike"), settings, ops, Locks(settings, "test"))
    assert not settings.raw_file("bike").exists()
    assert not settings.dlt_state_dir("bike").exists()
    assert [row["state"] for row in ops.query("select state from loads")] == ["superseded"]


@pytest.mark.integration
def test_a_raw_file_whose_tables_dlt_extracted_to_parquet_is_loaded_into(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    _load_as_before(settings, trips("old"))
    write_zip(bucket, KEYS[JANUARY], [ride(1, "2024-01-05 08:00:00")])
    serve()
    before = raw(settings, "bike", "describe raw.trips")
    load(settings, "bike")
    assert raw(settings, "bike", "describe raw.trips") == before
    assert column(settings, "bike", "select ride_id from raw.trips order by rowid") == ["old", f"{1:016X}"]


def _load_as_before(settings: Settings, rows: pa.Table) -> None:
    """Load rides as Arrow batches in the format parquet, as earlier versions did."""
    pipeline = _open_pipeline(settings, "bike")
    tables = {table.name: rows if table is TRIPS else table.schema.empty_table() for table in TABLES}
    hints = {
        table.name: {
            field.name: {"data_type": "timestamp", "timezone": False, "precision": 6}
            for field in table.schema
            if pa.types.is_timestamp(field.type)
        }
        for table in TABLES
    }
    contract = {"columns": "freeze", "data_type": "freeze"}
    resources = [
        dlt.resource([table], name=name, write_disposition="append", columns=hints[name], schema_contract=contract)
        for name, table in tables.items()
    ]
    pipeline.run(_make_source("bike", resources), loader_file_format="parquet")
