"""The sample's bucket: Citi Bike's monthly zips in the provider's real formats, with the defects seen in its files.

Every defective row is *added* to the clean rides: a reader that handles all of them loads exactly `month_rides`.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from data_stack.window import next_month
from dlt_pipeline.sample import stations
from dlt_pipeline.sample.bucket import PAGE_SIZE, Bucket
from dlt_pipeline.sample.draw import count_months, make_generator
from dlt_pipeline.sample.rides import PRECISE_FROM, Stream, generate_file_rides
from dlt_pipeline.sample.source import Response, SampleSource
from dlt_pipeline.sample.spec import SampleSpec

FILE_COLUMNS = (
    "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_name,end_station_id,"
    "start_lat,start_lng,end_lat,end_lng,member_casual"
).split(",")
"""The provider's columns since 2021, in its order."""

LEGACY_COLUMNS = (
    "tripduration,starttime,stoptime,start station id,start station name,start station latitude,"
    "start station longitude,end station id,end station name,end station latitude,"
    "end station longitude,bikeid,usertype,birth year,gender"
).split(",")
"""The provider's columns before 2021, as most files spell them."""

TITLE_COLUMNS = (
    "Trip Duration,Start Time,Stop Time,Start Station ID,Start Station Name,Start Station Latitude,"
    "Start Station Longitude,End Station ID,End Station Name,End Station Latitude,End Station Longitude,Bike ID,"
    "User Type,Birth Year,Gender"
).split(",")
"""The same columns as files of 2015-09 to 2017-03 spell them."""


class QuirkKind(StrEnum):
    """Defects seen in the provider's files."""

    REPEATED_ROW = "repeated_row"
    """A duplicate row, byte for byte."""
    CONFLICT_MARKER = "conflict_marker"
    """A line of a git conflict: `<<<<<<< HEAD`."""
    LOST_DATES = "lost_dates"
    """An additional ride whose dates a spreadsheet turned into `17:25.0`."""
    INVALID_UTF8 = "invalid_utf8"
    """An additional ride whose start station's name contains a byte of Latin-1."""


@dataclass(frozen=True)
class Quirk:
    """Defects of one kind in one month's file: the number of added lines."""

    month: date
    kind: QuirkKind
    rows: int


QUIRKS = (
    Quirk(date(2024, 1, 1), QuirkKind.REPEATED_ROW, 2),
    Quirk(date(2024, 2, 1), QuirkKind.CONFLICT_MARKER, 1),
    Quirk(date(2024, 3, 1), QuirkKind.LOST_DATES, 2),
    Quirk(date(2024, 4, 1), QuirkKind.INVALID_UTF8, 1),
    Quirk(date(2024, 6, 1), QuirkKind.REPEATED_ROW, 1),
    Quirk(date(2024, 7, 1), QuirkKind.LOST_DATES, 1),
    Quirk(date(2024, 9, 1), QuirkKind.CONFLICT_MARKER, 1),
    Quirk(date(2024, 11, 1), QuirkKind.INVALID_UTF8, 1),
)
"""Every defect in the monthly files of the spec's months; other months have none."""

NULL_TEXT_ROWS = 6
"""Rows of `JC-201708 citibike-tripdata.csv.zip` with the text NULL as birth year; half of them also as user type."""

HISTORICAL_RIDES_PER_DAY = 8
"""Mean rides per day of the historical files, which gives about 200 rides each."""

YEARLY_MONTHS = (date(2019, 3, 1), date(2019, 4, 1))
"""Months inside `2019-citibike-tripdata.zip`."""


def month_rides(spec: SampleSpec, month: date) -> pl.DataFrame:
    """The rides of a month's Jersey City file without its defects: what a reader must load.

    Args:
        spec: The sample.
        month: First day of the month.

    Returns:
        `FILE_COLUMNS`, with `started_at` and `ended_at` as naive local times, and `started_at_utc` and `ended_at_utc`.
        Until 2024-05 the rides that started in the month; since 2024-06 those that ended in it, some of which started
        in the previous month.
    """
    return generate_file_rides(spec.seed, spec.rides_per_day, month)


def build_month_key(month: date) -> str:
    """The key of the monthly file that the sample has for one of its months.

    Args:
        month: First day of the month.
    """
    return f"JC-{month:%Y%m}-citibike-tripdata.csv.zip"


def write_bucket(folder: Path, spec: SampleSpec) -> None:
    """Write every object of the bucket, with deterministic bytes and modification times.

    Args:
        folder: A folder that does not exist yet.
        spec: The sample; a historical file is left out if the sample has its month.
    """
    folder.mkdir()
    for month in spec.months:
        name = build_month_key(month)
        content = _add_quirks(_format_csv(month_rides(spec, month), month), month, spec.seed)
        _write_object(folder / name, month, _build_zip({name.removesuffix(".zip"): content}, month))
    for key, month, content in _generate_historical_files(spec):
        _write_object(folder / key, month, content)


class BikeSample(SampleSource):
    """The bucket of monthly files in the sample.

    Args:
        folder: The files.
        system: Value of `BIKE_SYSTEM` that fits them; empty: what is set counts.
        page_size: Maximum number of keys per page of the listing.

    Raises:
        TerminalError: The folder is missing.
    """

    name = "bike"
    url_variable = "BIKE_BASE_URL"

    def __init__(self, folder: Path, system: str = "", page_size: int = PAGE_SIZE) -> None:
        self.system = system
        self._bucket = Bucket(folder, "tripdata", page_size)

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """See `SampleSource.write_files`."""
        write_bucket(folder, spec)

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """See `SampleSource.of_sample`."""
        return cls(folder, system="jc")

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        """See `SampleSource.of_stored`: a folder with zips of the provider, under their original names."""
        return cls(path)

    def answer(self, path: str, query: Mapping[str, str]) -> Response:
        """See `SampleSource.answer`."""
        return self._bucket.answer(path, query)

    def list_variables(self) -> dict[str, str]:
        """See `SampleSource.list_variables`."""
        return {"BIKE_SYSTEM": self.system} if self.system else {}


# -- zips -----------------------------------------------------------------------------------------------------------


def _compute_publication_time(month: date) -> datetime:
    """Time of publication: the provider publishes in the first days of the next month."""
    return datetime.combine(next_month(month) + timedelta(days=4), datetime.min.time(), UTC) + timedelta(hours=14)


def _write_object(path: Path, month: date, content: bytes) -> None:
    path.write_bytes(content)
    seconds = _compute_publication_time(month).timestamp()
    os.utime(path, (seconds, seconds))


def _build_zip(members: dict[str, bytes], month: date) -> bytes:
    """A zip as macOS makes it: each file is followed by a junk file in `__MACOSX/`, whose name begins with `._`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            folder, _, base = name.rpartition("/")
            _add_member(archive, name, content, month)
            _add_member(archive, "/".join(filter(None, ("__MACOSX", folder, f"._{base}"))), _build_junk(base), month)
    return buffer.getvalue()


def _add_member(archive: zipfile.ZipFile, name: str, content: bytes, month: date) -> None:
    entry = zipfile.ZipInfo(name, _compute_publication_time(month).timetuple()[:6])
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".zip") else zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=6)


def _build_junk(name: str) -> bytes:
    """Bytes with the magic number of an AppleDouble file, which are not valid UTF-8."""
    return (
        b"\x00\x05\x16\x07\x00\x02\x00\x00"
        + b"Mac OS X".ljust(16)
        + b"\x00\x02"
        + bytes(range(128, 256))
        + name.encode()
    )


# -- the 13-column files --------------------------------------------------------------------------------------------


def _format_csv(rides: pl.DataFrame, month: date) -> bytes:
    """The bytes of a month's file: text with quotes, numbers and missing values without, lines ended by CRLF."""
    pattern = "%Y-%m-%d %H:%M:%S%.3f" if month >= PRECISE_FROM else "%Y-%m-%d %H:%M:%S"
    text = rides.with_columns(pl.col("started_at", "ended_at").dt.strftime(pattern)).select(FILE_COLUMNS)
    return text.write_csv(quote_style="non_numeric", line_terminator="\r\n").encode()


def _add_quirks(content: bytes, month: date, seed: int) -> bytes:
    """Add the month's defective lines at random places below the header."""
    header, *lines = content.split(b"\r\n")[:-1]
    rng = make_generator(seed, Stream.QUIRKS, count_months(month))
    originals = tuple(lines)
    for quirk in QUIRKS:
        if quirk.month == month:
            for original in rng.choice(len(originals), quirk.rows, replace=False):
                line = _make_quirk_line(quirk.kind, originals[original], rng)
                lines.insert(int(rng.integers(1, len(lines))), line)
    return b"\r\n".join([header, *lines, b""])


def _make_quirk_line(kind: QuirkKind, line: bytes, rng: np.random.Generator) -> bytes:
    """A defective line made from a ride's line; additional rides get another id."""
    if kind is QuirkKind.REPEATED_ROW:
        return line
    if kind is QuirkKind.CONFLICT_MARKER:
        return b"<<<<<<< HEAD"
    _, bike, started, ended, rest = line.split(b'","', 4)
    ride_id = f'"{rng.integers(0, 2**64, dtype=np.uint64):016X}'.encode()
    if kind is QuirkKind.LOST_DATES:
        started, ended = b"17:25.0", b"26:41.2"
    else:
        rest = b"Caf\xe9 " + rest
    return b'","'.join((ride_id, bike, started, ended, rest))


# -- historical files -----------------------------------------------------------------------------------------------


def _generate_historical_files(spec: SampleSpec) -> Iterator[tuple[str, date, bytes]]:
    """Key, month and bytes of objects in the formats of other years; those of Jersey City only outside the sample."""
    old, spaced, typo, short = date(2016, 12, 1), date(2017, 8, 1), date(2022, 7, 1), date(2025, 10, 1)
    jersey_city: dict[date, tuple[str, Callable[[SampleSpec, date], bytes]]] = {
        old: ("JC-201612-citibike-tripdata.csv.zip", partial(_format_legacy_csv, columns=TITLE_COLUMNS)),
        spaced: ("JC-201708 citibike-tripdata.csv.zip", partial(_format_legacy_csv, null_rows=NULL_TEXT_ROWS)),
        typo: ("JC-202207-citbike-tripdata.csv.zip", _format_historical_csv),
        short: ("JC-202510-citibike-tripdata.zip", _format_historical_csv),
    }
    for month in sorted(jersey_city.keys() - set(spec.months)):
        key, content = jersey_city[month]
        yield key, month, _build_zip({key.split(".")[0] + ".csv": content(spec, month)}, month)
    yield "202405-citibike-tripdata.zip", date(2024, 5, 1), _build_two_csv_zip(spec, date(2024, 5, 1))
    yield "2019-citibike-tripdata.zip", date(2019, 12, 1), _build_yearly_zip(spec)


def generate_historical_rides(spec: SampleSpec, month: date) -> pl.DataFrame:
    """The rides of a historical file, in the columns of `month_rides`.

    Args:
        spec: The sample; only its seed matters.
        month: 2016-12, 2017-08, 2022-07 or 2025-10 of Jersey City; 2019-03, 2019-04 or 2024-05 of New York. The files
            of New York have other stations than this frame, and the 15-column files have other station ids.
    """
    rides = generate_file_rides(spec.seed, HISTORICAL_RIDES_PER_DAY, month)
    # the files before 2021 have no ride without an end station
    return rides.filter(pl.col("end_station_id").is_not_null()) if month.year < 2021 else rides


def _format_historical_csv(spec: SampleSpec, month: date) -> bytes:
    return _format_csv(generate_historical_rides(spec, month), month)


def _build_two_csv_zip(spec: SampleSpec, month: date) -> bytes:
    """A month of New York: two CSVs in one zip."""
    rides = _move_to_new_york(generate_historical_rides(spec, month))
    half = len(rides) // 2
    names = [f"{month:%Y%m}-citibike-tripdata_{part}.csv" for part in (1, 2)]
    parts = [_format_csv(part, month) for part in (rides[:half], rides[half:])]
    return _build_zip(dict(zip(names, parts, strict=True)), month)


def _build_yearly_zip(spec: SampleSpec) -> bytes:
    """A year of New York: one zip per month, inside a zip."""
    members = {}
    for month in YEARLY_MONTHS:
        name = f"{month:%Y%m}-citibike-tripdata.csv"
        inner = _build_zip({name: _format_legacy_csv(spec, month, fraction=True)}, month)
        members[f"{month.year}-citibike-tripdata/{name}.zip"] = inner
    return _build_zip(members, date(2019, 12, 1))


def _move_to_new_york(rides: pl.DataFrame) -> pl.DataFrame:
    """The same rides between other stations, on the other side of the river, with ids such as 5329.10."""
    ids = dict(
        zip(
            stations.IDS, (f"{5329 + 41 * (index // 9)}.{10 * (index % 9 + 1):02d}" for index in range(40)), strict=True
        )
    )
    station_ids, places = pl.col("start_station_id", "end_station_id"), pl.col("start_lng", "end_lng")
    names = pl.col("start_station_name", "end_station_name")
    return rides.with_columns(station_ids.replace(ids), names + " East", (places + 0.05).round(6))


# -- the 15-column files --------------------------------------------------------------------------------------------


def _format_legacy_csv(
    spec: SampleSpec,
    month: date,
    columns: Sequence[str] = LEGACY_COLUMNS,
    null_rows: int = 0,
    fraction: bool = False,
) -> bytes:
    """A file from before 2021.

    Args:
        spec: The sample.
        month: First day of the month.
        columns: Spelling of the header; the lower-case one has quotes around text, the other one has not.
        null_rows: Rows with the text NULL.
        fraction: Times with four decimals, as in 2018 to 2020.
    """
    rides = _build_legacy_frame(spec, month, fraction)
    nothing = pl.int_range(pl.len()) < null_rows
    rides = rides.with_columns(
        pl.when(nothing).then(pl.lit("NULL")).otherwise(pl.col("birth year").cast(pl.String)).alias("birth year"),
        pl.when(nothing & (pl.int_range(pl.len()) % 2 == 0))
        .then(pl.lit("NULL"))
        .otherwise("usertype")
        .alias("usertype"),
    )
    quoted = tuple(columns) == tuple(LEGACY_COLUMNS)
    renamed = rides.rename(dict(zip(LEGACY_COLUMNS, columns, strict=True)))
    text = renamed.write_csv(quote_style="non_numeric" if quoted else "necessary", line_terminator="\n")
    # numbers and NULL have no quotes in the provider's files
    return _unquote_last_columns(text).encode() if quoted else text.encode()


def _unquote_last_columns(text: str) -> str:
    header, *lines = text.splitlines()
    for number, line in enumerate(lines):
        head, user, year, gender = line.rsplit(",", 3)
        user = user.strip('"') if "NULL" in user else user
        lines[number] = ",".join((head, user, year.strip('"'), gender))
    return "\n".join([header, *lines, ""])


def _build_legacy_frame(spec: SampleSpec, month: date, fraction: bool) -> pl.DataFrame:
    rides = generate_historical_rides(spec, month)
    rng = make_generator(spec.seed, Stream.LEGACY, count_months(month))
    numbers = {station: str(3183 + index) for index, station in enumerate(stations.IDS)}
    pattern = "%Y-%m-%d %H:%M:%S" + (".0000" if fraction else "")
    riders = pl.Series(rng.integers(1950, 2003, len(rides)))
    return rides.select(
        (pl.col("ended_at_utc") - pl.col("started_at_utc")).dt.total_seconds().alias("tripduration"),
        pl.col("started_at").dt.strftime(pattern).alias("starttime"),
        pl.col("ended_at").dt.strftime(pattern).alias("stoptime"),
        *_select_legacy_station("start", numbers),
        *_select_legacy_station("end", numbers),
        pl.Series("bikeid", rng.integers(14_000, 42_000, len(rides))),
        pl.col("member_casual").replace({"member": "Subscriber", "casual": "Customer"}).alias("usertype"),
        riders.alias("birth year"),
        pl.Series("gender", rng.integers(0, 3, len(rides))),
    )


def _select_legacy_station(end: str, numbers: dict[str, str]) -> list[pl.Expr]:
    return [
        pl.col(f"{end}_station_id").replace(numbers).cast(pl.Int64).alias(f"{end} station id"),
        pl.col(f"{end}_station_name").alias(f"{end} station name"),
        pl.col(f"{end}_lat").alias(f"{end} station latitude"),
        pl.col(f"{end}_lng").alias(f"{end} station longitude"),
    ]
