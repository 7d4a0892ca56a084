"""The CSV formats of Citi Bike, mapped to one schema, in batches; rows that cannot be read become rejects."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

import polars as pl
import pyarrow as pa

from data_stack.errors import TerminalError
from dlt_pipeline.stage import BATCH_ROWS, Reject

_NEW_COLUMNS = (
    "ride_id",
    "rideable_type",
    "started_at",
    "ended_at",
    "start_station_name",
    "start_station_id",
    "end_station_name",
    "end_station_id",
    "start_lat",
    "start_lng",
    "end_lat",
    "end_lng",
    "member_casual",
)
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
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
_FIRST_YEAR = 2013
_RIDER_TYPES = {"Subscriber": "member", "Customer": "casual"}
_REQUIRED = ("ride_id", "started_at", "ended_at")
_TIMES = ("started_at", "ended_at")
_COORDINATES = ("start_lat", "start_lng", "end_lat", "end_lng")
_TEXTS = (
    "rideable_type",
    "start_station_id",
    "start_station_name",
    "end_station_id",
    "end_station_name",
    "member_casual",
)


@dataclass(frozen=True)
class Part:
    """A batch of a member: rows read = trips + rejects."""

    trips: pa.Table
    rejects: list[Reject]
    rows_read: int


def read_member(stream: IO[bytes], source_file: str, member: str, batch_rows: int = BATCH_ROWS) -> Iterator[Part]:
    """Read one CSV in batches.

    A ride is one physical line: a stray quotation mark costs its own line, never the lines after it.

    Args:
        stream: The CSV's bytes.
        source_file: Written into every row.
        member: Name of the CSV inside its zip.
        batch_rows: Lines that are held in memory at a time.

    Raises:
        TerminalError: The header is of no known format.
    """
    columns = _read_header(stream, source_file, member)
    number = 1
    while raw := list(islice(stream, batch_rows)):
        reader = _BatchReader(source_file, member, columns)
        reader.add(raw, number + 1)
        number += len(raw)
        yield reader.part()


def _read_header(stream: IO[bytes], source_file: str, member: str) -> list[str]:
    line = stream.readline(10_000)
    found = next(csv.reader([line.decode("utf-8-sig", "replace")]), [])
    squeezed = ["".join(name.lower().split()) for name in found]
    if sorted(squeezed) == sorted(_NEW_COLUMNS):
        return squeezed
    if sorted(squeezed) == sorted(_OLD_COLUMNS):
        return [_OLD_COLUMNS[name] for name in squeezed]
    raise TerminalError(
        f"bike: {member} in {source_file} has an unknown header ({len(found)} columns); expected are the 13 columns "
        f"from {_NEW_COLUMNS[0]} to {_NEW_COLUMNS[-1]} or the 15 columns from tripduration to gender, in UTF-8"
    )


class _BatchReader:
    """Sorts the lines of one batch into trips and rejects."""

    def __init__(self, source_file: str, member: str, columns: list[str]) -> None:
        self.source_file = source_file
        self.member = member
        self.columns = columns
        self.rejects: list[Reject] = []
        self.numbers: list[int] = []
        self.texts: list[str] = []
        self.records: list[list[str]] = []
        self.rows_read = 0

    def add(self, raw: list[bytes], first_number: int) -> None:
        for number, line in enumerate(raw, first_number):
            stripped = line.rstrip(b"\r\n")
            if not stripped:
                continue
            self.rows_read += 1
            try:
                self._add_line(number, stripped.decode("utf-8"))
            except UnicodeDecodeError:
                self._reject(number, "not valid UTF-8", stripped.decode("utf-8", "backslashreplace"))

    def _add_line(self, number: int, text: str) -> None:
        try:
            record = next(csv.reader((text,), strict=True))
        except csv.Error:
            self._reject(number, "quotation marks do not match", text)
            return
        if len(record) != len(self.columns):
            self._reject(number, f"{len(self.columns)} columns expected", text)
            return
        self.numbers.append(number)
        self.texts.append(text)
        self.records.append(record)

    def _reject(self, number: int, reason: str, text: str) -> None:
        self.rejects.append(Reject(self.source_file, number, reason, text, self.member))

    def part(self) -> Part:
        frame = _typed(self._frame())
        bad = frame.filter(pl.col("reason").is_not_null())
        for index, reason in bad.select("index", "reason").iter_rows():
            self._reject(self.numbers[index], reason, self.texts[index])
        return Part(self._trips(frame.filter(pl.col("reason").is_null())), self.rejects, self.rows_read)

    def _frame(self) -> pl.DataFrame:
        values = list(zip(*self.records, strict=True)) or [()] * len(self.columns)
        series = [pl.Series(name, column, dtype=pl.String) for name, column in zip(self.columns, values, strict=True)]
        text = pl.DataFrame(series).with_columns(pl.all().str.strip_chars()).with_row_index("index")
        return text.with_columns(
            pl.when(pl.col(name).is_in(["", "NULL"])).then(None).otherwise(pl.col(name)).alias(name)
            for name in self.columns
        )

    def _trips(self, frame: pl.DataFrame) -> pa.Table:
        numbers = pl.Series("source_line", self.numbers, dtype=pl.Int64).gather(frame["index"])
        named = frame.select(
            pl.col("ride_id", *_TEXTS),
            pl.col("started_at").alias("started_at_local"),
            pl.col("ended_at").alias("ended_at_local"),
            pl.col("start_lat").alias("start_latitude"),
            pl.col("start_lng").alias("start_longitude"),
            pl.col("end_lat").alias("end_latitude"),
            pl.col("end_lng").alias("end_longitude"),
            pl.lit(self.source_file).alias("source_file"),
            pl.lit(self.member).alias("source_member"),
            numbers,
        )
        return named.to_arrow()


def _typed(text: pl.DataFrame) -> pl.DataFrame:
    """Typed columns of both formats, and in `reason` why a row cannot be read (null where it can)."""
    if "ride_id" not in text.columns:
        text = text.with_columns(
            pl.lit(None, pl.String).alias("rideable_type"),
            pl.col("member_casual").replace_strict(_RIDER_TYPES, default=None),
        )
    typed = text.with_columns(
        *(_to_time(text[name]) for name in _TIMES),
        *(pl.col(name).cast(pl.Float64, strict=False).alias(name) for name in _COORDINATES),
    )
    if "ride_id" not in typed.columns:
        typed = typed.with_columns(_derived_ids(typed))
    return typed.with_columns(_reason(text, typed))


def _to_time(text: pl.Series) -> pl.Series:
    """Times of a column; a further format is tried only where the ones before it left something unread."""
    times = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
    for form in _TIME_FORMATS:
        if times.null_count() == text.null_count():
            break
        read = text.str.to_datetime(form, time_unit="us", strict=False)
        # a spreadsheet writes years of two digits, which would be read as years of the first century
        times = times.fill_null(read.set(read.dt.year() < _FIRST_YEAR, None))
    return times


def _derived_ids(typed: pl.DataFrame) -> pl.Series:
    """Ids of rides that have none: a hash of what identifies a ride, so the same ride has the same id in every file."""
    parts = typed.select("started_at", "ended_at", "bike_id", "start_station_id", "end_station_id").iter_rows()
    keys = ("|".join("" if value is None else str(value) for value in row) for row in parts)
    digests = [hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() for key in keys]
    return pl.Series("ride_id", digests, dtype=pl.String)


def _reason(text: pl.DataFrame, typed: pl.DataFrame) -> pl.Series:
    missing = [pl.when(typed[name].is_null()).then(pl.lit(f"{name} is missing or unreadable")) for name in _REQUIRED]
    unreadable = [
        pl.when(text[name].is_not_null() & ~typed[name].is_finite().fill_null(False)).then(
            pl.lit(f"{name} is not a number")
        )
        for name in _COORDINATES
    ]
    return typed.select(pl.coalesce(*missing, *unreadable).alias("reason"))["reason"]
