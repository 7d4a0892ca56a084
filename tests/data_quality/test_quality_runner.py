"""The gate's states, messages and sums."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zipfile import ZipFile

import duckdb
import great_expectations.expectations as gxe
import pytest
from quality_data import CLEAN_LOADS, CLOCK_RIDE, LOAD, RIDE, bike_tables
from raw_builder import append, build_raw

from data_quality.check import Check, critical, warning
from data_quality.evaluate import Evaluator
from data_quality.runner import GateReport, format_gate_failures, validate
from data_stack.errors import TerminalError
from data_stack.loads import find_pending_loads
from data_stack.ops import LoadRecord, Ops
from data_stack.registry import SOURCES, get_source
from data_stack.settings import Settings

BIKE = get_source("bike")
Dirty = Callable[[str, str], None]


@pytest.fixture
def ops(settings: Settings) -> Ops:
    """Records in which ingestion has entered the load of the clean bike file."""
    ops = Ops(settings.ops_dir)
    ops.record_load("ingest", LoadRecord("bike", LOAD, 548, 548, 0, 0))
    return ops


def state(ops: Ops, load_id: str = LOAD) -> str:
    return str(ops.query("select state from loads where load_id = ?", [load_id])[0]["state"])


@pytest.mark.integration
def test_clean_loads_of_all_sources_pass_in_one_call(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    for source in SOURCES:
        dirty(source.name, "")
    loads = [(source.name, load_id) for source in SOURCES for load_id in CLEAN_LOADS.get(source.name, (LOAD,))]
    for name, load_id in loads:
        ops.record_load("ingest", LoadRecord(name, load_id, 1, 1, 0, 0))
    reports = [report for source in SOURCES for report in validate(settings, ops, "run", source)]
    assert [(r.source_name, r.load_id) for r in reports] == loads
    assert all(r.passed and r.failures == [] and r.checked > 0 for r in reports)
    recorded = ops.query("select source, load_id, count(*) as n, min(success) as ok from validations group by 1, 2")
    assert {(row["source"], row["load_id"]): row["n"] for row in recorded} == {
        (r.source_name, r.load_id): r.checked for r in reports
    }
    assert all(row["ok"] for row in recorded)
    assert {row["state"] for row in ops.query("select state from loads")} == {"passed"}
    assert not any(validate(settings, ops, "again", source) for source in SOURCES)


def test_a_failed_warning_lets_the_load_pass_and_is_recorded(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", f"update raw.trips set rideable_type = 'cargo_bike' where ride_id = '{RIDE}'")
    (report,) = validate(settings, ops, "run", BIKE)
    assert report.passed
    assert [failure.column for failure in report.failures] == ["rideable_type"]
    assert state(ops) == "passed"
    assert find_pending_loads(settings, ops, BIKE) == []
    (row,) = ops.query("select * from validations where not success")
    assert (row["severity"], row["checked"], row["unexpected"]) == ("warning", 548, 1)
    assert row["example_keys"] == f'["{RIDE}"]'


@pytest.mark.integration
def test_a_failed_gate_fails_again_and_says_why(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", f"update raw.trips set ended_at_local = null where ride_id = '{RIDE}'")
    first, second = (format_gate_failures(validate(settings, ops, run, BIKE)) for run in ("one", "two"))
    assert first == second
    assert first == (
        "bike: load 2.0 failed its checks (31 expectations, failed: 1 critical, 0 warning)\n"
        f"  bike: critical: expect_column_values_to_not_be_null on ended_at_local: 1 of 548 fail, for example {RIDE}. "
        "A ride without an end time has no duration, so it is missing from the mean duration.\n"
        "  fix the data and load it again, with the same days, or accept the load with "
        '`data-stack accept 2.0 --reason "..."`'
    )
    assert state(ops) == "failed"
    assert [row["n"] for row in ops.query("select count(*) as n from validations group by run_id")] == [31, 31]


def test_critical_failures_come_before_warnings(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    both = "rideable_type = 'cargo_bike', ended_at_local = null, start_latitude = 0"
    dirty("bike", f"update raw.trips set {both} where ride_id = '{RIDE}'")
    (report,) = validate(settings, ops, "run", BIKE)
    assert [failure.severity for failure in report.failures] == ["critical", "warning", "warning"]
    assert report.failures[0].column == "ended_at_local"
    assert not report.passed


@pytest.mark.integration
def test_a_fixed_load_passes_and_the_failed_one_is_superseded(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", f"update raw.trips set ended_at_local = null where ride_id = '{RIDE}'")
    validate(settings, ops, "red", BIKE)
    with duckdb.connect(str(settings.raw_file("bike"))) as db:
        for table, rows in bike_tables().items():
            append(db, "bike", table, rows, "3.0")
        db.execute("insert into raw._dlt_loads select '3.0', schema_name, status, inserted_at, '' from raw._dlt_loads")
    ops.record_load("ingest", LoadRecord("bike", "3.0", 548, 548, 0, 0))
    (report,) = validate(settings, ops, "fixed", BIKE)
    assert (report.load_id, report.passed) == ("3.0", True)
    assert (state(ops), state(ops, "3.0")) == ("superseded", "passed")


def test_an_accepted_load_is_left_alone_and_stays_on_record(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", f"update raw.trips set ended_at_local = null where ride_id = '{RIDE}'")
    validate(settings, ops, "red", BIKE)
    ops.accept_load(LOAD, "the provider confirms it")
    assert validate(settings, ops, "again", BIKE) == []
    (load,) = ops.query("select state, reason from loads")
    assert load == {"state": "accepted", "reason": "the provider confirms it"}
    assert ops.query("select count(*) as n from validations where not success") == [{"n": 1}]


def test_an_interrupted_load_is_refused(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", "delete from raw._dlt_loads")
    with pytest.raises(TerminalError, match="interrupted"):
        validate(settings, ops, "run", BIKE)
    assert state(ops) == "pending"


def test_the_raw_file_is_closed_afterwards(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", "")
    validate(settings, ops, "run", BIKE)
    with duckdb.connect(str(settings.raw_file("bike"))) as db:
        db.execute("delete from raw.trips")


@pytest.mark.integration
def test_batches_add_up(dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("bike", "update raw.trips set member_casual = 'third' where source_line % 50 = 0")
    dirty("bike", "update raw.trips set ended_at_local = started_at_local + interval 25 hour where source_line <= 3")
    whole, parts = (validate(settings, ops, run, BIKE, rows)[0] for run, rows in (("whole", 500_000), ("parts", 200)))
    assert parts == whole
    assert [(f.severity, f.column, f.checked, f.unexpected) for f in whole.failures] == [
        ("critical", "third_rider_type_share", 3, 3),
        ("warning", "is_third_rider_type", 548, 10),
    ]
    assert whole.failures[1].example_keys == [f"{n:016X}" for n in range(49, 298, 50)]
    (long,) = ops.query("select * from validations where column_name = 'duration_hours' and run_id = 'parts'")
    assert (long["success"], long["checked"], long["unexpected"], long["observed"]) == (1, 548, 3, "-0.666667 to 25")


@pytest.mark.parametrize("batch_rows", [2, 3, 10])
def test_mostly_is_compared_with_the_sums(batch_rows: int) -> None:
    sql = (
        "select i::varchar as key, case when i < 2 then null else i end as n from range(10) as t(i) where $load_id = ''"
    )
    expectations = (
        critical(gxe.ExpectColumnValuesToNotBeNull, "n", "two of ten are null", mostly=0.8),
        warning(
            gxe.ExpectColumnValuesToBeBetween, "n", "one of the other eight is below three", min_value=3, mostly=0.875
        ),
        critical(gxe.ExpectColumnValuesToBeBetween, "n", "seven of eight are below nine", max_value=8, mostly=0.9),
    )
    tallies = Evaluator(batch_rows).evaluate(duckdb.connect(), [Check("rows", sql, expectations)], "")
    assert [(t.success, t.checked, t.unexpected) for t in tallies] == [(True, 10, 2), (True, 8, 1), (False, 8, 1)]
    assert tallies[2].example_keys == ["9"]


def test_what_cannot_be_evaluated_is_a_failed_critical_without_values(evaluator: Evaluator) -> None:
    sql = "select 'k' as key, 'Jane Roe' as name where $load_id = ''"
    expectations = (
        warning(gxe.ExpectColumnValuesToBeBetween, "name", "text against a number", min_value=1),
        warning(gxe.ExpectColumnValuesToNotBeNull, "absent", "a column that is not in the frame"),
        critical(gxe.ExpectColumnValuesToNotBeNull, "name", "one that works"),
    )
    records = [t.create_record() for t in evaluator.evaluate(duckdb.connect(), [Check("rows", sql, expectations)], "")]
    assert [(r.severity, r.success) for r in records] == [("critical", False), ("critical", False), ("critical", True)]
    assert records[0].reason == (
        "It could not be evaluated, as column name has the type str; correct the suite. text against a number"
    )
    assert "column absent is not in the frame" in records[1].reason
    assert "Jane" not in repr(records)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select key from nowhere where $load_id = ''", "Table with name nowhere does not exist"),
        (
            "select v as key, v::integer as n from (values ('Jane Roe')) as t(v) where $load_id = ''",
            "Conversion Error",
        ),
    ],
)
def test_a_frame_that_fails_is_a_failed_critical_without_values(evaluator: Evaluator, sql: str, message: str) -> None:
    check = Check("rows", sql, (warning(gxe.ExpectColumnValuesToNotBeNull, "n", "the reason"),))
    (record,) = [tally.create_record() for tally in evaluator.evaluate(duckdb.connect(), [check], "")]
    assert (record.severity, record.success) == ("critical", False)
    assert message in record.reason
    assert "Jane" not in record.reason


def test_the_end_of_daylight_saving_time_explains_an_end_before_the_start(
    dirty: Dirty, settings: Settings, ops: Ops
) -> None:
    dirty("bike", f"update raw.trips set ended_at_local = '2024-11-03 01:49:59' where ride_id = '{CLOCK_RIDE}'")
    (report,) = validate(settings, ops, "run", BIKE)
    assert report.failures == []


def test_old_files_need_neither_vehicle_nor_rider_nor_sixteen_digits(settings: Settings, ops: Ops) -> None:
    trip = bike_tables()["trips"][0] | {
        "ride_id": "0123456789abcdef" * 2,
        "rideable_type": None,
        "member_casual": None,
        "started_at_local": datetime(2017, 8, 5, 10),
        "ended_at_local": datetime(2017, 8, 5, 10, 10),
        "batch": "old.zip",
    }
    file = {"batch": "old.zip", "month": date(2017, 8, 1), "rows_read": 1, "rows_loaded": 1, "rows_rejected": 0}
    build_raw(settings, "bike", {"trips": [trip], "files": [file]}, LOAD)
    (report,) = validate(settings, ops, "run", BIKE)
    assert {failure.column for failure in report.failures} == {"rides"}, "only the other days of the month are empty"


def test_a_load_that_passed_is_reported_too() -> None:
    assert format_gate_failures([GateReport("bike", "1.0", 31)]) == (
        "bike: load 1.0 passed (31 expectations, failed: 0 critical, 0 warning)"
    )


PROGRAM = """
import os, sys
from data_quality.runner import validate
from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings
settings = Settings.load(data_dir=sys.argv[1])
ops = Ops(settings.ops_dir)
reports = [report for source in SOURCES for report in validate(settings, ops, "run", source)]
"""


def _in_a_new_process(settings: Settings, code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GX_ANALYTICS_ENABLED"}
    command = [sys.executable, "-c", PROGRAM + code, str(settings.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def test_nothing_heavy_is_imported_before_there_is_a_load(settings: Settings) -> None:
    done = _in_a_new_process(
        settings, "print(reports, {'great_expectations', 'pandas', 'data_quality.suites.bike'} & set(sys.modules))"
    )
    assert done.stdout == "[] set()\n"


@pytest.mark.slow
def test_great_expectations_is_silent_and_sends_nothing(dirty: Dirty, settings: Settings) -> None:
    dirty("transactions", "")
    done = _in_a_new_process(settings, "print(len(reports), os.environ['GX_ANALYTICS_ENABLED'])")
    assert (done.stdout, done.stderr) == ("2 false\n", "")


SHARED_DATA = Path(os.environ.get("SHARED_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the providers' real files are not beside the repository")
def test_the_real_rides_pass(settings: Settings, ops: Ops, tmp_path: Path) -> None:
    _load_real_files(settings, tmp_path)
    (report,) = validate(settings, ops, "run", BIKE)
    assert report.failures == []
    found = {row["column_name"]: row for row in ops.query("select * from validations where severity = 'warning'")}
    assert (found["duration_hours"]["checked"], found["duration_hours"]["unexpected"]) == (171_855, 66)
    assert found["end_station_id"]["unexpected"] == 543
    assert found["rides"]["observed"] == "544 to 3138"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the providers' real files are not beside the repository")
def test_the_real_weather_passes(settings: Settings, ops: Ops) -> None:
    (path,) = SHARED_DATA.glob("open_meteo/*.json")
    answer = json.loads(path.read_text())
    hourly = answer["hourly"]
    times = [datetime.fromisoformat(time) for time in hourly.pop("time")]
    hours = [
        {"place_id": "here", "hour_utc": time, **{name: values[n] for name, values in hourly.items()}}
        for n, time in enumerate(times)
    ]
    build_raw(settings, "weather", {"hours": hours}, LOAD)
    (report,) = validate(settings, ops, "run", get_source("weather"))
    assert report.failures == []
    (null_share,) = ops.query("select * from validations where column_name = 'null_share'")
    assert null_share["checked"] == len(hourly), "variables without any value are not checked"


def _load_real_files(settings: Settings, folder: Path) -> None:
    for path in SHARED_DATA.glob("citibike/*.zip"):
        with ZipFile(path) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if not name.startswith("__MACOSX")])
    build_raw(settings, "bike", {"rejects": []}, LOAD)
    with duckdb.connect(str(settings.raw_file("bike"))) as db:
        db.execute(
            "insert into raw.trips by name"
            " select * exclude (started_at, ended_at, start_lat, start_lng, end_lat, end_lng, filename),"
            " started_at::timestamp as started_at_local, ended_at::timestamp as ended_at_local,"
            " start_lat::double as start_latitude, start_lng::double as start_longitude,"
            " end_lat::double as end_latitude, end_lng::double as end_longitude,"
            " parse_filename(filename) as batch, ? as _dlt_load_id"
            " from read_csv(?, all_varchar = true, filename = true)",
            [LOAD, str(folder / "*.csv")],
        )
        db.execute(
            "insert into raw.files by name"
            " select batch, strptime(batch[4:9], '%Y%m')::date as month, count(*) as rows_read,"
            " count(*) as rows_loaded, 0 as rows_rejected, ? as _dlt_load_id from raw.trips group by batch",
            [LOAD],
        )
