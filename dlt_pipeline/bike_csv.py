"""The CSV formats of Citi Bike, converted to one schema, in batches; rows that do not fit become rejects."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa

from data_stack.errors import TerminalError
from dlt_pipeline.csv_lines import BLOCK_BYTES, LINE, find_lines, map_in_threads, read_blocks, split_block
from dlt_pipeline.stage import Reject

# header of the files since 2021 -> column of the raw table
_NEW_COLUMNS = {
    "ride_id": "ride_id",
    "rideable_type": "rideable_type",
    "started_at": "started_at_local",
    "ended_at": "ended_at_local",
    "start_station_name": "start_station_name",
    "start_station_id": "start_station_id",
    "end_station_name": "end_station_name",
    "end_station_id": "end_station_id",
    "start_lat": "start_latitude",
    "start_lng": "start_longitude",
    "end_lat": "end_latitude",
    "end_lng": "end_longitude",
    "member_casual": "member_casual",
}
# header of the older files without spaces and capitals -> name in the new format
_OLD_COLUMNS = {
    "tripduration": "trip_duration",
    "starttime": "started_at",
    "stoptime": "ended_at",
    "startstationid": "start_station_id",
    "startstationname": "start_station_name",
    "startstationlatitude": "start_lat",
    "startstationlongitude": "start_lng",
    "endstationid": "end_station_id",
    "endstationname": "end_station_name",
    "endstationlatitude": "end_lat",
    "endstationlongitude": "end_lng",
    "bikeid": "bike_id",
    "usertype": "member_casual",
    "birthyear": "birth_year",
    "gender": "gender",
}
# the first two parse nothing that the third does not, but five times as fast
_TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S.%3f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
)
_FIRST_YEAR = 2013
_RIDER_TYPES = {"Subscriber": "member", "Customer": "casual"}
_REQUIRED = ("ride_id", "started_at", "ended_at")
_TIMES = ("started_at", "ended_at")
_COORDINATES = ("start_lat", "start_lng", "end_lat", "end_lng")


@dataclass(frozen=True)
class Batch:
    """A batch of a member: rows read = trips + rejects.

    Attributes:
        trips: Rows with the columns of the raw table, without the month.
        rejects: The rejected rows.
        rows_read: Lines of the batch that are not empty.
    """

    trips: pa.Table
    rejects: list[Reject]
    rows_read: int


def read_member(stream: IO[bytes], batch: str, member: str, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Read one CSV in batches.

    Args:
        stream: The CSV's bytes.
        batch: Written into every row.
        member: Name of the CSV inside its zip.
        block_bytes: About how many bytes are held in memory at a time.

    Raises:
        TerminalError: The header has an unknown format.
    """
    columns = _read_header(stream, batch, member)
    blocks = _number_lines(read_blocks(stream, block_bytes))
    return map_in_threads(lambda numbered: _read_batch(*numbered, columns, batch, member), blocks)


def _number_lines(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Blocks after the header, with the numbers of their first lines."""
    first_line = 2
    for block in blocks:
        yield block, first_line
        # without Python's lock, unlike `bytes.count`: the threads go on
        first_line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def _read_header(stream: IO[bytes], batch: str, member: str) -> list[str]:
    line = stream.readline(10_000)
    header = next(csv.reader([line.decode("utf-8-sig", "replace")]), [])
    squeezed = ["".join(name.lower().split()) for name in header]
    if sorted(squeezed) == sorted(_NEW_COLUMNS):
        return squeezed
    if sorted(squeezed) == sorted(_OLD_COLUMNS):
        return [_OLD_COLUMNS[name] for name in squeezed]
    raise TerminalError(
        f"bike: {member} in {batch} has an unknown header ({len(header)} columns); expected are the 13 columns "
        "from ride_id to member_casual or the 15 columns from tripduration to gender, in UTF-8"
    )


def _read_batch(block: bytes, first_line: int, columns: list[str], batch: str, member: str) -> Batch:
    lines = split_block(block, columns, first_line)
    rides = _type_columns(lines.records, columns)
    reasons = dict(rides.filter(pl.col("reason").is_not_null()).select(LINE, "reason").iter_rows()) | lines.reasons
    rejects = []
    if reasons:
        texts = find_lines(block)
        for number, reason in sorted(reasons.items()):
            text = texts[number - first_line].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            rejects.append(Reject(batch, number, reason, text, member))
    trips = rides.filter(pl.col("reason").is_null()).select(
        *(pl.col(name).alias(raw_name) for name, raw_name in _NEW_COLUMNS.items()),
        pl.lit(batch).alias("batch"),
        pl.lit(member).alias("source_member"),
        pl.col(LINE),
    )
    # newest: Polars' own layout of strings, which is not copied
    return Batch(trips.to_arrow(compat_level=pl.CompatLevel.newest()), rejects, rides.height + len(lines.reasons))


def _type_columns(records: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Typed columns with the names of the new format, and in `reason` why a row is rejected (null if it is not)."""
    text = records.with_columns(pl.col(columns).str.strip_chars())
    text = text.with_columns(
        pl.when(pl.col(name).is_in(["", "NULL"])).then(None).otherwise(pl.col(name)).alias(name) for name in columns
    )
    typed = text.with_columns(
        *(_parse_times(text[name]) for name in _TIMES),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in _COORDINATES),
    )
    if "ride_id" not in columns:
        typed = typed.with_columns(
            _derive_ids(typed),
            pl.lit(None, pl.String).alias("rideable_type"),
            pl.col("member_casual").replace_strict(_RIDER_TYPES, default=None),
        )
    missing = [pl.when(typed[name].is_null()).then(pl.lit(f"{name} is missing or unreadable")) for name in _REQUIRED]
    no_numbers = [
        pl.when(text[name].is_not_null() & ~typed[name].is_finite().fill_null(False)).then(
            pl.lit(f"{name} is not a number")
        )
        for name in _COORDINATES
    ]
    return typed.with_columns(pl.coalesce(*missing, *no_numbers).alias("reason"))


def _parse_times(text: pl.Series) -> pl.Series:
    """Parse the times of a column; another format is tried only if the previous ones left values without a time."""
    times = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
    for time_format in _TIME_FORMATS:
        if times.null_count() == text.null_count():
            break
        parsed = text.str.to_datetime(time_format, time_unit="us", strict=False, cache=False)
        # spreadsheets write years with two digits, which would be parsed as years of the first century
        times = times.fill_null(parsed.set(parsed.dt.year() < _FIRST_YEAR, None))
    return times


def _derive_ids(typed: pl.DataFrame) -> pl.Series:
    """Ids for rides that have none: a hash of the ride's primary key, so a ride has the same id in every file."""
    parts = typed.select("started_at", "ended_at", "bike_id", "start_station_id", "end_station_id").iter_rows()
    keys = ("|".join("" if value is None else str(value) for value in row) for row in parts)
    digests = [hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() for key in keys]
    return pl.Series("ride_id", digests, dtype=pl.String)
