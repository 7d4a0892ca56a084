"""Rides and zips in the format of the bike provider, built row by row, for tests that need to know every row."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from dlt_pipeline.sample.bike import FILE_COLUMNS, LEGACY_COLUMNS, TITLE_COLUMNS, BikeSample

NEW_HEADER = ",".join(FILE_COLUMNS)
OLD_HEADER = ",".join(LEGACY_COLUMNS)
OLD_TITLE_HEADER = ",".join(TITLE_COLUMNS)


def make_sample(folder: Path) -> BikeSample:
    """What the fixture `serve` serves: the zips that the test writes into the folder `bucket`."""
    (folder / "bucket").mkdir(exist_ok=True)
    return BikeSample(folder / "bucket")


def ride(number: int, start: str, end: str | None = None, **other: str) -> str:
    """A line of the 13-column format; `number` becomes the 16 hex digits of its id."""
    values = {
        "ride_id": f"{number:016X}",
        "rideable_type": "classic_bike",
        "started_at": start,
        "ended_at": end or (datetime.fromisoformat(start) + timedelta(minutes=10)).isoformat(sep=" "),
        "start_station_name": "Morris Canal",
        "start_station_id": "JC072",
        "end_station_name": "Oakland Ave",
        "end_station_id": "JC022",
        "start_lat": "40.7123",
        "start_lng": "-74.0385",
        "end_lat": "40.7376",
        "end_lng": "-74.0525",
        "member_casual": "member",
    }
    return quoted((values | other).values())


def quoted(values: Iterable[str]) -> str:
    """A CSV line with every field in quotation marks, as the provider writes it."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(list(values))
    return line.getvalue().removesuffix("\n")


def month_of_rides(month: date, count: int = 120, first: int = 1) -> list[str]:
    """Rides spread over a month, at least one per day if there are 120 or more; the last one ends in the next month."""
    begin = datetime(month.year, month.month, 1)
    end = (begin + timedelta(days=32)).replace(day=1)
    step = (end - begin) / count
    starts = [begin + step * index for index in range(count - 1)] + [end - timedelta(minutes=5)]
    return [ride(first + index, start.isoformat(sep=" ", timespec="seconds")) for index, start in enumerate(starts)]


def write_zip(folder: Path, key: str, lines: Sequence[str] | Mapping[str, bytes], header: str = NEW_HEADER) -> Path:
    """A zip of the bucket: one CSV made of lines, or the given members; always with the junk files that macOS adds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key
    name = key.removesuffix(".zip").removesuffix(".csv") + ".csv"
    members = lines if isinstance(lines, Mapping) else {name: "\n".join([header, *lines, ""]).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
            archive.writestr(f"__MACOSX/._{member}", b"\x00\x05\x16\x07")
    return path


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip as bytes, which can be a member of another zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return buffer.getvalue()
