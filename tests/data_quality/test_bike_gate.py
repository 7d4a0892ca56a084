"""The gate on bike trips: what is odd in a month, what old files need not have, and the provider's real files."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zipfile import ZipFile

import duckdb
import pytest
from gate_cases import LOAD
from raw_builder import build_raw
from real_files import REAL_FILES, needs_real_files
from sources.bike.clean import CLOCK_RIDE, build_tables

from data_quality.data_docs import build_data_docs
from data_quality.runner import validate
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings

BIKE = get_source("bike")
Dirty = Callable[[str, str], None]


@pytest.fixture
def ops(settings: Settings) -> Ops:
    return Ops(settings)


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


def test_the_end_of_daylight_saving_time_explains_an_end_before_the_start(
    dirty: Dirty, settings: Settings, ops: Ops
) -> None:
    dirty("bike", f"update raw.trips set ended_at_local = '2024-11-03 01:49:59' where ride_id = '{CLOCK_RIDE}'")
    (report,) = validate(settings, ops, "run", BIKE)
    assert report.failures == []


def test_old_files_need_neither_vehicle_nor_rider_nor_sixteen_digits(settings: Settings, ops: Ops) -> None:
    trip = build_tables()["trips"][0] | {
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


@pytest.mark.integration
@pytest.mark.parametrize(("rides", "months"), [(2, 0), (3, 1)])
def test_odd_rows_and_the_months_of_too_many_are_shown(
    rides: int, months: int, dirty: Dirty, settings: Settings
) -> None:
    odd = f"ended_at_local = started_at_local - interval 1 second where source_line <= {rides}"
    dirty("bike", f"update raw.trips set {odd}")
    validate(settings, Ops(settings), "run", BIKE)
    (page,) = build_data_docs(settings).parent.rglob("validations/bike/run/**/*.html")
    for column, unexpected in {"is_end_before_start": rides, "end_before_start_share": months}.items():
        (section,) = (text for text in page.read_text().split("<h5") if f"> {column} </h5>" in " ".join(text.split()))
        assert section.count(f"{unexpected} unexpected values found") == bool(unexpected)
        assert section.count("fa-times text-danger") == bool(unexpected)
    assert ("2024-09" in section) == bool(months)


@pytest.mark.slow
@needs_real_files
def test_the_real_rides_pass(settings: Settings, ops: Ops, tmp_path: Path) -> None:
    _load_real_files(settings, tmp_path)
    (report,) = validate(settings, ops, "run", BIKE)
    assert report.failures == []
    found = {row["column_name"]: row for row in ops.query("select * from validations where severity = 'warning'")}
    assert (found["duration_hours"]["checked"], found["duration_hours"]["unexpected"]) == (171_855, 66)
    assert found["end_station_id"]["unexpected"] == 543
    assert found["rides"]["observed"] == "544 to 3138"


def _load_real_files(settings: Settings, folder: Path) -> None:
    for path in REAL_FILES.glob("citibike/*.zip"):
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
