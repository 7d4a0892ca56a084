"""Writes months of rides as the provider of New York's system publishes them, in flat memory and for any size.

One zip per month with several CSVs of up to a million rows: header and quotes as in the provider's files, lines that
end with CRLF, times in milliseconds, a month cut by the end of its rides, and the junk that macOS adds to a zip. The
rides are a function of the seed: hashes of their numbers, so that each has its own id. For its values this generator is
not as careful as that of the sample (`dlt_pipeline/sample/rides.py`), which takes minutes for a million rides.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO

import duckdb
import polars as pl

from data_stack.duck import connect_duckdb
from data_stack.settings import PROJECT_ROOT
from data_stack.window import Window, next_month
from dlt_pipeline.sample.bike import FILE_COLUMNS
from dlt_pipeline.sample.weather import VARIABLES, GeneratedWeather
from dlt_pipeline.weather import WeatherSettings

FIRST_MONTH = date(2025, 1, 1)
ROWS_PER_MEMBER = 1_000_000
# a month of New York has up to five million rides; twelve months of this size are a year of 40 million
RIDES_PER_MONTH_MAX = 3_400_000

_ROWS_PER_BATCH = 200_000
_SEED = 2025
# numbers of different seeds never meet, so no id is used twice
_RIDES_PER_SEED = 1_000_000_000_000
_STATIONS = 2_100
# percent of the rides by the hour in which they end
_HOURS = (2, 1, 1, 0, 0, 1, 2, 4, 7, 6, 5, 5, 5, 5, 5, 6, 7, 9, 9, 7, 5, 4, 2, 2)
_JUNK = b"\x00\x05\x16\x07\x00\x02\x00\x00" + b"Mac OS X".ljust(16) + b"\x00\x02" + bytes(range(128, 256))

_RIDES_SQL = (Path(__file__).parent / "rides.sql").read_text()


@dataclass(frozen=True)
class Provider:
    """Files as the providers have them.

    Attributes:
        folder: The zips, and nothing else.
        weather: An answer of the weather's archive for all days of the zips, as a JSON file.
        rides: Number of rides in all zips.
        months: First days of the months.
        csv_bytes: Bytes of the CSVs inside the zips.
    """

    folder: Path
    weather: Path
    rides: int
    months: tuple[date, ...]
    csv_bytes: int

    @property
    def window(self) -> Window:
        """The days of the months."""
        return Window(self.months[0], Window.of_month(self.months[-1]).end)


def choose_months(rides: int) -> int:
    """The number of months among which a number of rides is divided, at most 12."""
    return min(12, -(-rides // RIDES_PER_MONTH_MAX))


def write_provider(folder: Path, rides: int, month_count: int, seed: int = _SEED) -> Provider:
    """Write the files, unless the folder has them already.

    Args:
        folder: A folder of its own; a part that an interrupted call left is completed.
        rides: Rides in all months together.
        month_count: How many months, 1 to 12.
        seed: Another seed gives other rides.
    """
    bucket, weather = folder / "bike", folder / "weather.json"
    bucket.mkdir(parents=True, exist_ok=True)
    months = [FIRST_MONTH]
    while len(months) < month_count:
        months.append(next_month(months[-1]))
    if not weather.exists():
        write_weather(weather, months)
    numbers = [seed * _RIDES_PER_SEED + rides * number // month_count for number in range(month_count + 1)]
    paths = [bucket / f"{month:%Y%m}-citibike-tripdata.zip" for month in months]
    for path, month, first, behind in zip(paths, months, numbers[:-1], numbers[1:], strict=True):
        if not path.exists():
            _write_zip(path, month, first, behind)
    return Provider(bucket, weather, rides, tuple(months), sum(map(count_csv_bytes, paths)))


def count_csv_bytes(path: Path) -> int:
    """Bytes of the CSVs of a zip, as they are unzipped."""
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist() if not member.filename.startswith("__MACOSX"))


def write_weather(path: Path, months: list[date]) -> None:
    """Write what the weather's archive answers for the days of the months and two days around them.

    Args:
        path: The JSON file.
        months: First days of the months, in their order.
    """
    behind = date(months[-1].year + 1, 1, 2)
    place = WeatherSettings.load()
    query = {
        "latitude": str(place.latitude),
        "longitude": str(place.longitude),
        "start_date": str(date(months[0].year - 1, 12, 30)),
        "end_date": str(behind),
        "hourly": ",".join(VARIABLES),
    }
    _, answer = GeneratedWeather(_SEED, last_day=behind).answer(query)
    path.write_text(json.dumps(answer))


def _write_zip(path: Path, month: date, first: int, behind: int) -> None:
    """Write the rides with the numbers from `first` up to `behind`."""
    new = path.with_name(f".{path.name}.new")
    # at least two CSVs, as every month of New York has
    rows = min(ROWS_PER_MEMBER, -(-(behind - first) // 2))
    with connect_duckdb(threads=2) as db, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for number, start in enumerate(range(first, behind, rows), 1):
            name = f"{month:%Y%m}-citibike-tripdata_{number}.csv"
            with archive.open(_describe_member(name, month), "w", force_zip64=True) as member:
                _write_csv(member, _generate_rides(db, month, start, min(start + rows, behind)))
            archive.writestr(_describe_member(f"__MACOSX/._{name}", month), _JUNK + name.encode())
    published = datetime(month.year, month.month, 28).timestamp()
    os.utime(new, (published, published))
    new.rename(path)


def _describe_member(name: str, month: date) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (month.year, month.month, 28, 14, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _write_csv(member: IO[bytes], batches: Iterator[pl.DataFrame]) -> None:
    member.write(",".join(f'"{name}"' for name in FILE_COLUMNS).encode() + b"\r\n")
    for batch in batches:
        text = batch.write_csv(include_header=False, quote_style="non_numeric", line_terminator="\r\n")
        member.write(text.encode())


def _generate_rides(db: duckdb.DuckDBPyConnection, month: date, first: int, behind: int) -> Iterator[pl.DataFrame]:
    """The rides with the numbers from `first` up to `behind`, in batches, with the columns of the provider's files."""
    hours = [hour for hour, percent in enumerate(_HOURS) for _ in range(percent)]
    for start in range(first, behind, _ROWS_PER_BATCH):
        values = {
            "first": start,
            "behind": min(start + _ROWS_PER_BATCH, behind),
            "month": month,
            "hours": hours,
            "stations": _STATIONS,
        }
        yield db.execute(_RIDES_SQL, values).pl().select(FILE_COLUMNS)


def get_default_folder() -> Path:
    """Where generated files are kept between two calls of `make bench`; git ignores it."""
    return PROJECT_ROOT / ".cache" / "bench"
