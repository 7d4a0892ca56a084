"""Files and answers in the providers' formats, built row by row, for tests that need to know every row."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dlt_pipeline.sample.bike import FILE_COLUMNS, LEGACY_COLUMNS, TITLE_COLUMNS
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.transactions import HEADER

Serve = Callable[..., SampleProvider]
"""The fixture `serve`: starts a provider that serves the folder `bucket`."""

NEW_HEADER = ",".join(FILE_COLUMNS)
OLD_HEADER = ",".join(LEGACY_COLUMNS)
OLD_TITLE_HEADER = ",".join(TITLE_COLUMNS)
EXPORT_HEADER = ",".join(HEADER)


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


def bank_row(day: str, name: str, amount: str, **other: str) -> str:
    """A line of a bank export."""
    values = {
        "date": day,
        "name": name,
        "amount": amount,
        "status": "posted",
        "category": "Groceries",
        "parent category": "Food",
        "excluded": "false",
        "tags": "",
        "type": "regular",
        "account": "Checking",
        "account mask": "0042",
        "note": "",
        "recurring": "",
    }
    line = io.StringIO()
    merged = values | {name.replace("_", " "): value for name, value in other.items()}
    csv.writer(line, lineterminator="\n").writerow(merged.values())
    return line.getvalue().removesuffix("\n")


def write_export(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """A bank export."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join([EXPORT_HEADER, *lines, ""]), encoding="utf-8")
    return path


class FixedWeather:
    """Answers the archive API: the temperature is the hour of the day, everything else is 0.

    Args:
        override: Values by (variable, hour as `2024-01-01T00:00`) that replace the fixed ones.
        leave_out: Variables that are missing in the answer.
    """

    def __init__(self, override: Mapping[tuple[str, str], Any] | None = None, leave_out: Sequence[str] = ()) -> None:
        self.override = dict(override or {})
        self.leave_out = leave_out

    def answer(self, params: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """HTTP status and body."""
        first = datetime.fromisoformat(params["start_date"])
        hours = ((date.fromisoformat(params["end_date"]) - first.date()).days + 1) * 24
        times = [(first + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M") for hour in range(hours)]
        series = {
            name: [
                self.override.get((name, time), int(time[11:13]) if name == "temperature_2m" else 0) for time in times
            ]
            for name in params["hourly"].split(",")
            if name not in self.leave_out
        }
        body = {"latitude": 40.74, "longitude": -74.04, "elevation": 5.0, "hourly": {"time": times, **series}}
        return 200, body
