"""The sample's rides tell a true story, and its zips have the provider's shapes and defects."""

import csv
import io
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import requests

from dlt_pipeline.sample import bike, rides, stations
from dlt_pipeline.sample.bike import QUIRKS, BikeSample, QuirkKind, generate_historical_rides, month_rides
from dlt_pipeline.sample.climate import generate_climate
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec

SPEC = SampleSpec()
SMALL = SampleSpec(rides_per_day=60)


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    """All rides that start in 2024."""
    return pl.concat(rides.generate_started_rides(SPEC.seed, SPEC.rides_per_day, month) for month in SPEC.months)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bike") / "tripdata"
    bike.write_bucket(folder, SMALL)
    return folder


def members(path: Path) -> dict[str, bytes]:
    """The CSVs of a zip, zips inside included, without the Mac's junk."""
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            if name.startswith("__MACOSX/"):
                continue
            content = archive.read(name)
            if name.endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    found |= {inner_name: inner.read(inner_name) for inner_name in inner.namelist()}
            else:
                found[name] = content
    return {name: content for name, content in found.items() if not name.startswith("__MACOSX/")}


def lines(path: Path) -> list[bytes]:
    """Header and rows of a zip with one CSV."""
    (content,) = members(path).values()
    return content.splitlines()


# -- the story ------------------------------------------------------------------------------------------------------


def test_the_level_is_the_one_asked_for(year: pl.DataFrame) -> None:
    assert 0.9 * 300 * 366 < len(year) < 1.1 * 300 * 366
    assert year["ride_id"].n_unique() == len(year)
    assert year["ride_id"].str.contains("^[0-9A-F]{16}$").all()


def test_commuters_peak_on_working_days(year: pl.DataFrame) -> None:
    is_working = pl.col("started_at").dt.weekday() <= 5
    by_hour = year.group_by(is_working.alias("working"), pl.col("started_at").dt.hour().alias("hour")).len()
    count = {(row["working"], row["hour"]): row["len"] for row in by_hour.iter_rows(named=True)}
    assert count[True, 8] > 2 * count[True, 3]
    assert count[True, 8] > 1.5 * count[True, 11] and count[True, 17] > 1.5 * count[True, 11]
    assert count[False, 13] > 2 * count[False, 8]


def test_rain_lowers_demand_in_the_same_hour_and_weekday(year: pl.DataFrame) -> None:
    hours = np.concatenate([rides._list_month_hours(month) for month in SPEC.months])
    weather = generate_climate(SPEC.seed, hours)
    frame = pl.DataFrame({"hour": hours, "is_wet": weather["precipitation"] >= 0.5})
    started = year.select((pl.col("started_at_utc").dt.epoch("s") // 3600).alias("hour")).group_by("hour").len()
    local = rides._convert_to_local(hours * 3_600_000)
    kind = (local.dt.weekday() * 24 + local.dt.hour()).alias("kind")
    counts = frame.with_columns(kind, local.dt.month().alias("month")).join(started, on="hour", how="left")
    means = counts.group_by("kind", "month", "is_wet").agg(pl.col("len").fill_null(0).mean())
    pairs = means.filter("is_wet").join(means.filter(~pl.col("is_wet")), on=["kind", "month"], suffix="_dry")
    assert len(pairs) > 200
    assert pairs["len"].to_numpy().sum() < 0.7 * pairs["len_dry"].to_numpy().sum()


def test_cold_months_have_fewer_rides(year: pl.DataFrame) -> None:
    by_month = dict(year.group_by(pl.col("started_at").dt.month()).len().iter_rows())
    assert by_month[1] < 0.6 * by_month[7]


def test_demand_grows(year: pl.DataFrame) -> None:
    hours = np.array([474_000])
    later = hours + 24 * 364
    factor = [rides.compute_weather_factor(SPEC.seed, hour)[0] for hour in (hours, later)]
    share = [rides.compute_expected_share(SPEC.seed, hour)[0] for hour in (hours, later)]
    assert share[1] / factor[1] == pytest.approx(share[0] / factor[0] * 1.24 / 1.0, rel=0.02)


def test_residential_stations_drain_in_the_morning_and_fill_in_the_evening(year: pl.DataFrame) -> None:
    kinds = dict(zip(stations.IDS, stations.KINDS, strict=True))
    working = year.filter(pl.col("started_at").dt.weekday() <= 5, pl.col("end_station_id").is_not_null())
    start, end = (pl.col(f"{side}_station_id").replace_strict(kinds) for side in ("start", "end"))

    def net(kind: str, first: int, last: int) -> int:
        part = working.filter(pl.col("started_at").dt.hour().is_between(first, last))
        return int(part.select((end == kind).cast(int).sum() - (start == kind).cast(int).sum()).item())

    assert net("residential", 6, 9) < -1000 and net("residential", 16, 19) > 1000
    assert net("office", 6, 9) > 1000 and net("office", 16, 19) < -1000


def test_longer_ways_take_longer_and_electric_bikes_less(year: pl.DataFrame) -> None:
    seconds = (pl.col("ended_at_utc") - pl.col("started_at_utc")).dt.total_seconds()
    north = (pl.col("end_lat") - pl.col("start_lat")).abs()
    part = year.filter(seconds.is_between(60, 7200)).with_columns(seconds=seconds, is_far=north > 0.02)
    median = {key[0]: np.median(frame["seconds"]) for key, frame in part.group_by("is_far")}
    assert median[True] > 1.5 * median[False]
    by_bike = {key[0]: np.median(frame["seconds"]) for key, frame in part.filter("is_far").group_by("rideable_type")}
    assert by_bike["electric_bike"] < by_bike["classic_bike"]


def test_ids_that_look_like_numbers_are_there(year: pl.DataFrame) -> None:
    assert {"5329.10", "JC072", "HB407"} <= set(year["start_station_id"])


def test_every_month_has_its_odd_rides(year: pl.DataFrame) -> None:
    seconds = (pl.col("ended_at_utc") - pl.col("started_at_utc")).dt.total_seconds()
    by_month = year.group_by(pl.col("started_at").dt.month()).agg(
        (seconds > 86_400).sum().alias("long"),
        (seconds < 60).sum().alias("short"),
        pl.col("end_station_id").is_null().sum().alias("undocked"),
        pl.col("end_lat").is_null().sum().alias("nowhere"),
    )
    assert set(by_month["long"]) == {rides.LONG_RIDES_PER_MONTH} == set(by_month["nowhere"])
    assert set(by_month["short"]) == {rides.SHORT_RIDES_PER_MONTH}
    assert set(by_month["undocked"]) == {rides.LONG_RIDES_PER_MONTH + rides.NO_END_STATION_PER_MONTH}


# -- clock changes and seams ----------------------------------------------------------------------------------------


def test_no_ride_in_the_spring_gap_and_one_across_it() -> None:
    march = rides.generate_started_rides(SPEC.seed, SPEC.rides_per_day, date(2024, 3, 1))
    gap = (datetime(2024, 3, 10, 2), datetime(2024, 3, 10, 3))
    assert rides.find_time_changes(date(2024, 3, 1)) == [datetime(2024, 3, 10, 7)]
    for column in ("started_at", "ended_at"):
        assert march.filter(pl.col(column).is_between(*gap, closed="left")).is_empty()
    across = march.filter(pl.col("started_at") == datetime(2024, 3, 10, 1, 50))
    assert across["ended_at"].to_list() == [datetime(2024, 3, 10, 3, 10)]
    assert (across["ended_at_utc"] - across["started_at_utc"]).to_list() == [timedelta(minutes=20)]


def test_an_autumn_ride_ends_before_it_starts_on_the_wall_clock() -> None:
    november = rides.generate_started_rides(SPEC.seed, SPEC.rides_per_day, date(2024, 11, 1))
    assert rides.find_time_changes(date(2024, 11, 1)) == [datetime(2024, 11, 3, 6)]
    across = november.filter(pl.col("started_at_utc") == datetime(2024, 11, 3, 5, 50))
    assert across["started_at"].to_list() == [datetime(2024, 11, 3, 1, 50)]
    assert across["ended_at"].to_list() == [datetime(2024, 11, 3, 1, 10)]
    second = november.filter(pl.col("started_at_utc") == datetime(2024, 11, 3, 6, 20))
    assert second["started_at"].to_list() == [datetime(2024, 11, 3, 1, 20)]


def test_the_seam_has_every_ride_exactly_once(year: pl.DataFrame) -> None:
    files = {month: month_rides(SPEC, month) for month in SPEC.months}
    ids = pl.concat(frame["ride_id"] for frame in files.values())
    assert ids.n_unique() == len(ids)
    missing = year.filter(~pl.col("ride_id").is_in(ids.implode()))
    assert len(missing) >= 2 and (missing["ended_at"] >= datetime(2025, 1, 1)).all()
    assert len(ids) == len(year) - len(missing)


def test_from_june_on_files_are_cut_by_end() -> None:
    may, june, july = (month_rides(SPEC, date(2024, month, 1)) for month in (5, 6, 7))
    assert may["started_at"].dt.month().unique().to_list() == [5]
    assert (may["ended_at"] >= datetime(2024, 6, 1)).sum() >= 2
    assert (june["started_at"] >= datetime(2024, 6, 1)).all()
    for frame, month in ((june, 6), (july, 7)):
        assert frame["ended_at"].dt.month().unique().to_list() == [month]
    assert (july["started_at"] < datetime(2024, 7, 1)).sum() >= 2


def test_a_month_is_the_same_whatever_range_is_asked_for() -> None:
    rides.generate_started_rides.cache_clear()
    alone = month_rides(SampleSpec(first_month=date(2024, 7, 1), last_month=date(2024, 7, 1)), date(2024, 7, 1))
    rides.generate_started_rides.cache_clear()
    assert alone.equals(month_rides(SPEC, date(2024, 7, 1)))


# -- files ----------------------------------------------------------------------------------------------------------


def test_the_bucket_holds_the_months_and_the_historical_shapes(bucket: Path) -> None:
    own = {f"JC-2024{month:02d}-citibike-tripdata.csv.zip" for month in range(1, 13)}
    historical = {
        "JC-201708 citibike-tripdata.csv.zip",
        "JC-201612-citibike-tripdata.csv.zip",
        "JC-202207-citbike-tripdata.csv.zip",
        "JC-202510-citibike-tripdata.zip",
        "202405-citibike-tripdata.zip",
        "2019-citibike-tripdata.zip",
    }
    assert {path.name for path in bucket.iterdir()} == own | historical


def test_the_specs_own_month_wins_over_a_historical_file(tmp_path: Path) -> None:
    month = date(2022, 7, 1)
    bike.write_bucket(tmp_path / "t", SampleSpec(first_month=month, last_month=month, rides_per_day=20))
    names = {path.name for path in (tmp_path / "t").iterdir()}
    assert "JC-202207-citibike-tripdata.csv.zip" in names and "JC-202207-citbike-tripdata.csv.zip" not in names


def test_a_months_file_does_not_depend_on_the_range(bucket: Path, tmp_path: Path) -> None:
    july = date(2024, 7, 1)
    bike.write_bucket(tmp_path / "t", replace(SMALL, first_month=july, last_month=july))
    key = "JC-202407-citibike-tripdata.csv.zip"
    assert (tmp_path / "t" / key).read_bytes() == (bucket / key).read_bytes()
    assert (tmp_path / "t" / key).stat().st_mtime == (bucket / key).stat().st_mtime


def test_the_bucket_is_served_under_its_name_and_sets_the_system(bucket: Path) -> None:
    with SampleProvider([BikeSample.of_sample(bucket, SMALL)]) as provider:
        assert provider.environment["BIKE_SYSTEM"] == "jc"
        listing = requests.get(provider.environment["BIKE_BASE_URL"], {"list-type": "2"}, timeout=5)
    root = ET.fromstring(listing.content)
    assert root.findtext("{*}Name") == "tripdata"
    assert {key.text for key in root.findall(".//{*}Key")} == {path.name for path in bucket.iterdir()}
    assert BikeSample.of_stored(bucket).list_variables() == {}


def test_each_csv_has_a_junk_twin(bucket: Path) -> None:
    for path in bucket.iterdir():
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            twins = [name for name in names if name.startswith("__MACOSX/")]
            assert len(twins) * 2 == len(names)
            assert all(archive.read(name).startswith(b"\x00\x05\x16\x07") for name in twins)
            with pytest.raises(UnicodeDecodeError):
                archive.read(twins[0]).decode()


@pytest.mark.parametrize(("month", "digits"), [(5, 19), (6, 23)])
def test_rows_are_written_as_the_provider_writes_them(bucket: Path, month: int, digits: int) -> None:
    path = bucket / f"JC-2024{month:02d}-citibike-tripdata.csv.zip"
    header, *_ = lines(path)
    assert header.decode() == ",".join(f'"{name}"' for name in bike.FILE_COLUMNS)
    (content,) = members(path).values()
    assert content.endswith(b"\r\n") and content.count(b"\r\n") == content.count(b"\n")
    clean = month_rides(SMALL, date(2024, month, 1))
    ride = next(clean.filter(pl.col("end_station_id").is_not_null()).iter_rows(named=True))
    line = next(line for line in content.decode().splitlines() if ride["ride_id"] in line)
    times = [ride[name].isoformat(" ", "milliseconds")[:digits] for name in ("started_at", "ended_at")]
    quoted = [ride["ride_id"], ride["rideable_type"], *times]
    quoted += [ride[f"{side}_station_{part}"] for side in ("start", "end") for part in ("name", "id")]
    numbers = [repr(ride[name]) for name in ("start_lat", "start_lng", "end_lat", "end_lng")]
    assert line == ",".join([*(f'"{text}"' for text in quoted), *numbers, f'"{ride["member_casual"]}"'])


def test_missing_end_stations_stand_without_quotes(bucket: Path) -> None:
    clean = month_rides(SMALL, date(2024, 1, 1))
    text = "\n".join(line.decode() for line in lines(bucket / "JC-202401-citibike-tripdata.csv.zip"))
    for ride in clean.filter(pl.col("end_station_id").is_null()).iter_rows(named=True):
        (line,) = [line for line in text.splitlines() if ride["ride_id"] in line][:1]
        end = ",,," if ride["end_lat"] is None else f",{ride['end_lat']!r},{ride['end_lng']!r},"
        assert f'",,,{ride["start_lat"]!r},{ride["start_lng"]!r}{end}"' in line
        assert ride["end_lat"] is None or ride["end_lat"] == round(ride["end_lat"], 2)


@pytest.mark.parametrize("month", SMALL.months, ids=str)
def test_quirks_are_those_of_the_list(bucket: Path, month: date) -> None:
    _, *found = lines(bucket / bike.build_month_key(month))
    clean = month_rides(SMALL, month)
    ids = Counter(line[1:17].decode("latin-1") for line in found)
    expected = {quirk.kind: quirk.rows for quirk in QUIRKS if quirk.month == month}
    counted = {
        QuirkKind.REPEATED_ROW: sum(count - 1 for line, count in Counter(found).items()),
        QuirkKind.CONFLICT_MARKER: found.count(b"<<<<<<< HEAD"),
        QuirkKind.LOST_DATES: sum(b'"17:25.0"' in line for line in found),
        QuirkKind.INVALID_UTF8: sum(b"\xe9" in line for line in found),
    }
    assert {kind: rows for kind, rows in counted.items() if rows} == expected
    assert len(found) == len(clean) + sum(expected.values())
    assert sum(expected.values()) < 0.01 * len(found)
    assert all(ids[ride_id] >= 1 for ride_id in clean["ride_id"])


def test_every_kind_of_quirk_occurs_within_the_first_months() -> None:
    assert {quirk.kind for quirk in QUIRKS if quirk.month <= date(2024, 4, 1)} == set(QuirkKind)


@pytest.mark.parametrize(
    ("key", "month", "columns"),
    [
        ("JC-201612-citibike-tripdata.csv.zip", date(2016, 12, 1), bike.TITLE_COLUMNS),
        ("JC-201708 citibike-tripdata.csv.zip", date(2017, 8, 1), bike.LEGACY_COLUMNS),
    ],
)
def test_15_column_files_agree_with_their_rides(bucket: Path, key: str, month: date, columns: list[str]) -> None:
    header, *rows = csv.reader(line.decode() for line in lines(bucket / key))
    truth = generate_historical_rides(SMALL, month)
    assert header == list(columns)
    assert len(rows) == len(truth) and 80 < len(rows) < 400
    assert [row[1] for row in rows] == truth["started_at"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
    assert (
        sum(int(row[0]) for row in rows) == (truth["ended_at_utc"] - truth["started_at_utc"]).dt.total_seconds().sum()
    )
    assert {row[12] for row in rows} - {"NULL"} == {"Subscriber", "Customer"}


def test_null_text_stands_unquoted_in_the_file_of_2017(bucket: Path) -> None:
    raw = lines(bucket / "JC-201708 citibike-tripdata.csv.zip")
    rows = list(csv.reader(line.decode() for line in raw))
    assert sum(row[13] == "NULL" for row in rows) == bike.NULL_TEXT_ROWS
    assert sum(row[12] == "NULL" for row in rows) == bike.NULL_TEXT_ROWS // 2
    assert not any(b'"NULL"' in line for line in raw)
    assert raw[0].startswith(b'"tripduration","starttime"') and raw[7].count(b'"') == 10


def test_new_york_comes_as_two_csvs_and_as_zips_inside_a_zip(bucket: Path) -> None:
    parts = members(bucket / "202405-citibike-tripdata.zip")
    assert list(parts) == ["202405-citibike-tripdata_1.csv", "202405-citibike-tripdata_2.csv"]
    rows = [row for part in parts.values() for row in csv.DictReader(io.StringIO(part.decode()))]
    assert [row["ride_id"] for row in rows] == generate_historical_rides(SMALL, date(2024, 5, 1))["ride_id"].to_list()
    assert all(row["start_station_id"].count(".") == 1 for row in rows)
    assert any(row["start_station_id"].endswith("0") for row in rows)
    year = members(bucket / "2019-citibike-tripdata.zip")
    assert list(year) == ["201903-citibike-tripdata.csv", "201904-citibike-tripdata.csv"]
    for (name, content), month in zip(year.items(), bike.YEARLY_MONTHS, strict=True):
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert len(rows) == len(generate_historical_rides(SMALL, month)), name
        assert all(row["starttime"].endswith(".0000") for row in rows)
