"""The bike source against a bucket on loopback: which files are read, how often, and what a new version replaces."""

import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from ingestion import column, load, raw, stage_source
from providers import Serve
from raw_builder import pass_loads
from sources.bike.provider import NEW_HEADER, OLD_HEADER, month_of_rides, ride, write_zip, zip_bytes
from test_bike_csv import OLD_RIDE

from data_stack.errors import TerminalError, TransientError
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.bike import TABLES, BikeReader, BucketObject, MonthFile, find_month_files
from dlt_pipeline.landing import Landing
from dlt_pipeline.load import reset
from dlt_pipeline.sample.bike import BikeSample
from dlt_pipeline.sample.provider import Fault
from dlt_pipeline.sample.source import Response
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import DATE, TEXT, RawTable

JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
KEY = "JC-202401-citibike-tripdata.csv.zip"


def files_by_month(*keys: str, system: str = "jc") -> dict[date, str]:
    objects = [BucketObject(key, "etag", 1, "2024") for key in keys]
    return {file.month: file.batch for listed in objects for file in find_month_files(listed, system)}


@pytest.mark.parametrize(
    ("key", "system", "month"),
    [
        ("JC-202401-citibike-tripdata.csv.zip", "jc", JANUARY),
        ("JC-202510-citibike-tripdata.zip", "jc", date(2025, 10, 1)),
        ("JC-201708 citibike-tripdata.csv.zip", "jc", date(2017, 8, 1)),
        ("JC-202207-citbike-tripdata.csv.zip", "jc", date(2022, 7, 1)),
        ("202405-citibike-tripdata.zip", "nyc", date(2024, 5, 1)),
    ],
)
def test_a_month_is_found_by_its_digits_whatever_the_name(key: str, system: str, month: date) -> None:
    assert files_by_month(key, system=system) == {month: key}
    assert files_by_month(key, system="nyc" if system == "jc" else "jc") == {}


@pytest.mark.parametrize(
    "key",
    ["index.html", "JC-2024-notes.txt", "JC-202413-citibike-tripdata.zip", "JC-20240-x.zip", "201307-201402-x.zip"],
)
def test_other_objects_are_ignored(key: str) -> None:
    assert files_by_month(key) == {}


def test_a_yearly_object_offers_its_months_and_a_monthly_one_is_preferred(
    settings: Settings, bucket: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = zip_bytes(
        {"201903-citibike-tripdata.csv": "\n".join([OLD_HEADER, OLD_RIDE.replace("2016-12", "2019-03")]).encode()}
    )
    other = zip_bytes({"201904-citibike-tripdata.csv": b"broken, and never opened"})
    members = {
        "2019-citibike-tripdata/201903-citibike-tripdata.zip": inner,
        "2019-citibike-tripdata/201904-citibike-tripdata.zip": other,
    }
    write_zip(bucket, "2019-citibike-tripdata.zip", members)
    write_zip(bucket, "201904-citibike-tripdata.zip", [ride(1, "2019-04-02 08:00:00")])
    serve()
    monkeypatch.setenv("BIKE_SYSTEM", "nyc")
    with stage_source(settings, "bike", "2019-03-05", "2019-04-05") as (stage, _):
        assert stage.query("select batch, started_at_local::date::varchar from trips order by 1") == [
            ("2019-citibike-tripdata.zip#2019-03", "2019-03-01"),
            ("201904-citibike-tripdata.zip", "2019-04-02"),
        ]


def test_several_csvs_in_one_zip_and_junk_beside_them(
    settings: Settings, bucket: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {
        f"202405-citibike-tripdata_{part}.csv": f"{NEW_HEADER}\n{ride(part, '2024-05-02 08:00:00')}\n".encode()
        for part in (1, 2)
    }
    write_zip(bucket, "202405-citibike-tripdata.zip", members)
    serve()
    monkeypatch.setenv("BIKE_SYSTEM", "nyc")
    with stage_source(settings, "bike", "2024-05-01", "2024-05-31") as (stage, counts):
        assert counts.loaded == 2
        assert stage.query("select source_member from trips order by 1") == [(member,) for member in sorted(members)]


def test_the_listing_is_read_to_its_last_page(settings: Settings, bucket: Path, serve: Serve) -> None:
    for month in range(1, 10):
        write_zip(bucket, f"JC-20240{month}-citibike-tripdata.csv.zip", [ride(1, f"2024-0{month}-02 08:00:00")])
    serve(BikeSample(bucket, page_size=2))
    assert BikeReader(settings).default_window() == Window.of_month(date(2024, 9, 1))


@pytest.mark.integration
def test_every_row_is_loaded_rejected_or_a_duplicate(settings: Settings, bucket: Path, serve: Serve) -> None:
    rides = month_of_rides(JANUARY, 300)
    write_zip(bucket, KEY, [*rides, rides[5], rides[5], "<<<<<<< HEAD"])
    serve()
    counts = load(settings, "bike").counts
    assert (counts.read, counts.loaded, counts.rejected, counts.repeated) == (303, 300, 1, 2)
    assert raw(settings, "bike", "select rows_read, rows_loaded, rows_rejected, rows_repeated from raw.files") == [
        (303, 300, 1, 2)
    ]
    assert raw(settings, "bike", "select source_line, reason, raw_text from raw.rejects") == [
        (304, "13 columns expected", "<<<<<<< HEAD")
    ]


def test_too_many_rejects_fail_the_load_and_load_nothing(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, [*month_of_rides(JANUARY, 90), *"abcdefghij"])
    serve()
    with pytest.raises(
        TerminalError, match=r"10 of 100 rows of JC-202401.* 1\.0%.*13 columns expected: 10 rows, first in line 92"
    ):
        load(settings, "bike")
    assert raw(settings, "bike", "select 1") == []


def test_few_rejects_of_a_small_file_do_not_fail_the_load(settings: Settings, bucket: Path, serve: Serve) -> None:
    """One bad row of ten is more than the share that is allowed, but says little: it is the count that is too small."""
    write_zip(bucket, KEY, [*month_of_rides(JANUARY, 20), *"abcdefghi"])
    serve()
    with stage_source(settings, "bike") as (_, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (29, 20, 9)
    strict = settings.model_copy(update={"reject_count_min": 9})
    with (
        pytest.raises(TerminalError, match=r"9 of 29 rows .* more than the 1\.0%"),
        stage_source(strict, "bike"),
    ):
        pass


@pytest.mark.integration
def test_a_file_with_the_same_etag_is_not_fetched_again(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    provider = serve()
    first = load(settings, "bike")
    provider.requests.clear()
    again = load(settings, "bike")
    assert (first.counts.loaded, again.load_id, again.skipped) == (120, None, 1)
    assert [request.path for request in provider.requests] == ["/bike"]


@pytest.mark.integration
def test_a_changed_file_replaces_what_it_brought(settings: Settings, bucket: Path, serve: Serve) -> None:
    rides = month_of_rides(JANUARY)
    write_zip(bucket, KEY, [*rides, "broken"])
    serve()
    load(settings, "bike")
    changed = ride(3, "2024-01-03 09:00:00")
    write_zip(bucket, KEY, [*rides[:2], changed, *rides[4:], ride(900, "2024-01-20 08:00:00")])
    report = load(settings, "bike")
    assert report.counts.loaded == 120
    assert column(settings, "bike", "select count(*) from raw.trips") == [240]
    pass_loads(settings, ["bike"])
    ids = column(settings, "bike", "select ride_id from raw.trips")
    assert len(ids) == 120
    assert f"{4:016X}" not in ids
    assert f"{900:016X}" in ids
    assert column(settings, "bike", f"select started_at_local::varchar from raw.trips where ride_id = '{3:016X}'") == [
        "2024-01-03 09:00:00"
    ]
    assert column(settings, "bike", "select count(*) from raw.rejects") == [0]
    assert column(settings, "bike", "select distinct _dlt_load_id from raw.trips") == [report.load_id]


@pytest.mark.slow
def test_months_load_in_any_order(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    write_zip(bucket, "JC-202403-citibike-tripdata.csv.zip", month_of_rides(MARCH, first=500))
    serve()
    load(settings, "bike", "2024-03-01", "2024-03-31")
    load(settings, "bike", "2024-01-15", "2024-01-15")
    assert raw(settings, "bike", "select month::varchar from raw.files order by 1") == [
        ("2024-01-01",),
        ("2024-03-01",),
    ]
    assert column(settings, "bike", "select count(*) from raw.trips") == [240]


def test_a_month_that_is_not_listed_is_an_error_before_anything_is_fetched(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    provider = serve()
    with pytest.raises(TerminalError, match=r"no file of 2024-02 for system 'jc'.*lists 2024-01 to 2024-01"):
        load(settings, "bike", "2024-01-01", "2024-02-29")
    assert [request.path for request in provider.requests] == ["/bike"]


@pytest.mark.parametrize(
    ("lines", "month", "is_cut_by_end"),
    [
        (["2024-03-05 08:00:00|2024-03-05 08:10:00", "2024-03-31 23:55:00|2024-04-01 00:05:00"], "2024-03", False),
        (["2024-02-29 23:55:00|2024-03-01 00:05:00", "2024-03-05 08:00:00|2024-03-05 08:10:00"], "2024-03", True),
        (["2024-03-05 08:00:00|2024-03-05 08:10:00"], "2024-03", False),
        (["2024-07-05 08:00:00|2024-07-05 08:10:00"], "2024-07", True),
        # one odd ride does not decide it
        (
            [
                "2024-06-30 23:50:00|2024-07-01 00:05:00",
                "2024-06-30 23:55:00|2024-07-01 00:05:00",
                "2024-07-31 23:55:00|2024-08-01 00:00:00",
            ],
            "2024-07",
            True,
        ),
    ],
)
@pytest.mark.integration
def test_how_a_file_is_cut_is_read_from_its_rides(
    settings: Settings, bucket: Path, serve: Serve, lines: list[str], month: str, is_cut_by_end: bool
) -> None:
    rides = [ride(number, *line.split("|")) for number, line in enumerate(lines)]
    write_zip(bucket, f"JC-{month.replace('-', '')}-citibike-tripdata.csv.zip", rides)
    serve()
    with stage_source(settings, "bike", f"{month}-01", f"{month}-02") as (stage, _):
        assert stage.query("select is_cut_by_end from files") == [(is_cut_by_end,)]


@pytest.mark.slow
def test_a_month_whose_file_is_renamed_is_replaced(settings: Settings, bucket: Path, serve: Serve) -> None:
    rides = month_of_rides(JANUARY)
    misspelt = write_zip(bucket, "JC-202401-citbike-tripdata.csv.zip", [*rides, "broken"])
    serve()
    load(settings, "bike")
    misspelt.unlink()
    write_zip(bucket, KEY, rides[1:])
    load(settings, "bike")
    pass_loads(settings, ["bike"])
    assert raw(settings, "bike", "select batch, count(*) from raw.trips group by 1") == [(KEY, 119)]
    assert column(settings, "bike", "select batch from raw.files") == [KEY]
    assert column(settings, "bike", "select count(*) from raw.rejects") == [0]


@pytest.mark.integration
def test_a_version_without_a_readable_row_replaces_nothing(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    write_zip(bucket, KEY, ["broken"] * 10)
    with pytest.raises(TerminalError, match=r"all 10 rows of JC-202401.* were rejected \(13 columns expected: 10 rows"):
        load(settings.model_copy(update={"reject_share_max": 1.0}), "bike")
    assert column(settings, "bike", "select count(*) from raw.trips") == [120]


def test_junk_of_macos_is_ignored_in_any_folder(settings: Settings, bucket: Path, serve: Serve) -> None:
    content = "\n".join([NEW_HEADER, ride(1, "2024-01-02 08:00:00")]).encode()
    write_zip(bucket, KEY, {"deep/a.csv": content, "deep/__MACOSX/a.csv": b"junk", "deep/._a.csv": b"junk"})
    serve()
    with stage_source(settings, "bike") as (_, counts):
        assert counts.loaded == 1


def test_a_damaged_zip_inside_a_zip_is_explained(settings: Settings, bucket: Path, serve: Serve) -> None:
    inner = bytearray(zip_bytes({"202401-a.csv": "\n".join([NEW_HEADER, *month_of_rides(JANUARY, 2000)]).encode()}))
    inner[200:220] = bytes(20)
    write_zip(bucket, KEY, {"inner.zip": bytes(inner)})
    serve()
    with pytest.raises(TerminalError, match=r"JC-202401.* cannot be read to its end"):
        load(settings, "bike")


@pytest.mark.slow
def test_a_reader_of_the_raw_file_is_named_and_no_reset_is_advised(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    write_zip(bucket, KEY, month_of_rides(JANUARY, 121))
    code = (
        "import sys, time, duckdb\n"
        "with duckdb.connect(sys.argv[1], read_only=True): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(settings.raw_file("bike"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "held\n"
            with pytest.raises(
                TerminalError, match=rf"bike\.duckdb is open in another program \(pid {reader.pid}\)"
            ) as caught:
                load(settings, "bike")
            assert "reset" not in str(caught.value)
        finally:
            reader.kill()
    assert load(settings, "bike").counts.loaded == 121


def test_a_file_without_rides_is_an_error(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, [])
    serve()
    with pytest.raises(TerminalError, match=r"JC-202401-citibike-tripdata\.csv\.zip contains no ride of 2024-01"):
        load(settings, "bike")


@pytest.mark.integration
def test_sample_and_live_data_are_not_mixed(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    serve(origin=None)
    with pytest.raises(
        TerminalError, match=r"contains sample data of jc, and this run would add live data of jc.*reset bike"
    ):
        load(settings, "bike")


@pytest.mark.slow
def test_after_a_reset_another_provider_is_accepted(settings: Settings, bucket: Path, serve: Serve) -> None:
    from data_stack.locks import Locks
    from data_stack.ops import Ops

    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve()
    load(settings, "bike")
    reset(get_source("bike"), settings, Ops(settings), Locks(settings, "test"))
    serve(origin=None)
    assert load(settings, "bike").counts.loaded == 120
    assert column(settings, "bike", "select origin from raw.provider") == ["live"]


def only_objects(fault: Fault, attempts: int):
    """The fault for the first attempts at every object of the bucket."""
    return lambda path, _query, attempt: fault if path.endswith(".zip") and attempt <= attempts else None


FAULTS = {
    "busy": Fault.status(429, {"Retry-After": "0"}),
    "broken": Fault.status(500),
    "truncated": Fault.cut(500),
    "a page": Fault.page(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.integration
def test_a_fault_that_passes_is_retried(settings: Settings, bucket: Path, serve: Serve, fault: Fault) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve(faults=only_objects(fault, attempts=2))
    with stage_source(settings, "bike") as (_, counts):
        assert counts.loaded == 120


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.integration
def test_a_fault_that_stays_is_an_error_and_leaves_nothing(
    settings: Settings, bucket: Path, serve: Serve, fault: Fault
) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    provider = serve(faults=only_objects(fault, attempts=99))
    with pytest.raises(TransientError, match=r"JC-202401.*\(3 attempts\); try again later"):
        load(settings, "bike")
    assert [landed.name for landed in Landing(settings, "bike").entries()] == ["page 1 of the listing of JC-"]
    assert not list(settings.landing_dir("bike").glob("*.part"))
    assert raw(settings, "bike", "select 1") == []
    provider.faults = None
    with stage_source(settings, "bike") as (_, counts):
        assert counts.loaded == 120


@pytest.mark.integration
def test_a_slow_answer_is_retried(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve(faults=only_objects(Fault.slow(5), attempts=1))
    with stage_source(settings.model_copy(update={"http_timeout_seconds": 1}), "bike") as (_, counts):
        assert counts.loaded == 120


def damage(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[200:220] = bytes(20)
    return bytes(content)


@pytest.mark.integration
def test_a_zip_that_is_damaged_on_its_way_is_fetched_again(settings: Settings, bucket: Path, serve: Serve) -> None:
    path = write_zip(bucket, KEY, month_of_rides(JANUARY, 2000))
    damaged = Fault(Response(200, damage(path), "binary/octet-stream"))
    provider = serve(faults=only_objects(damaged, attempts=2))
    with stage_source(settings, "bike") as (_, counts):
        assert counts.loaded == 2000
    assert [request.path for request in provider.requests].count(f"/bike/{KEY}") == 3


@pytest.mark.integration
def test_a_zip_that_the_provider_has_damaged_is_never_loaded(settings: Settings, bucket: Path, serve: Serve) -> None:
    path = write_zip(bucket, KEY, month_of_rides(JANUARY, 2000))
    path.write_bytes(damage(path))
    serve()
    with pytest.raises(TerminalError, match=r"bike: JC-202401.* cannot be read to its end .*ask the provider"):
        load(settings, "bike")
    assert raw(settings, "bike", "select 1") == []


@pytest.mark.integration
def test_a_month_that_cannot_be_read_ends_the_download_of_the_next(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    path = write_zip(bucket, KEY, month_of_rides(JANUARY, 2000))
    path.write_bytes(damage(path))
    february = KEY.replace("202401", "202402")
    write_zip(bucket, february, month_of_rides(FEBRUARY))
    serve(faults=lambda path, *_: Fault.slow(1) if path.endswith(february) else None)
    threads = threading.active_count()
    with pytest.raises(TerminalError, match="JC-202401"):
        load(settings, "bike", end="2024-02-29")
    deadline = time.monotonic() + 20
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(february in landed.name for landed in Landing(settings, "bike").entries())
    assert not list(settings.landing_dir("bike").glob("*.part"))


@pytest.mark.parametrize("fault", [Fault.page(), Fault.status(503)])
@pytest.mark.integration
def test_an_answer_without_a_listing_is_an_error(settings: Settings, bucket: Path, serve: Serve, fault: Fault) -> None:
    serve(faults=lambda *_: fault)
    with pytest.raises(TransientError, match=r"/bike.*(bucket listing|503).*3 attempts"):
        load(settings, "bike")


@pytest.mark.integration
def test_an_unreachable_provider_is_explained(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIKE_BASE_URL", "http://127.0.0.1:9/tripdata")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/tripdata cannot be reached.*3 attempts"):
        load(settings, "bike")


@pytest.mark.integration
def test_raw_file_that_still_has_the_coverage_table_is_loaded_again(
    settings: Settings, bucket: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions also wrote `raw.coverage`, which repeated two columns of `raw.files`."""
    coverage = RawTable("coverage", pa.schema([("batch", TEXT), ("month", DATE)]), ("batch",))

    class EarlierReader(BikeReader):
        __module__ = BikeReader.__module__  # where the readers are looked for
        tables = (*TABLES, coverage)

        def describe(self, items: list[MonthFile], stage: Stage) -> None:
            super().describe(items, stage)
            stage.write_rows(coverage, [{"batch": file.batch, "month": file.month} for file in items])

    write_zip(bucket, KEY, month_of_rides(JANUARY))
    serve()
    with monkeypatch.context() as earlier:
        earlier.setattr("dlt_pipeline.bike.BikeReader", EarlierReader)
        load(settings, "bike")
    assert column(settings, "bike", "select count(*) from raw.coverage") == [1]
    write_zip(bucket, KEY, month_of_rides(JANUARY)[1:])
    load(settings, "bike")
    pass_loads(settings, ["bike"])
    assert column(settings, "bike", "select count(*) from raw.trips") == [119]
