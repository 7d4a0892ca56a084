"""A clean raw file of bike trips, in copies of which the tests of the gate corrupt one thing."""

from datetime import date, datetime, timedelta
from typing import Any

from gate_cases import LOAD
from raw_builder import build_raw

from data_stack.settings import Settings

Row = dict[str, Any]

LOADS = (LOAD,)
MONTHS = (date(2024, 9, 1), date(2024, 10, 1), date(2024, 11, 1))
RIDES_PER_DAY = 6
RIDE = "000000000000012C"  # the ride that most cases corrupt: line 301, 2024-10-21 at 08:00
CLOCK_RIDE = "C10C000000000000"


def build(settings: Settings) -> None:
    """Write the raw file."""
    build_raw(settings, "bike", build_tables(), LOAD)


def build_tables() -> dict[str, list[Row]]:
    """Three months of six rides per day, one ride of the previous month, one over the end of daylight saving time."""
    days = [MONTHS[0] + timedelta(days=n) for n in range(91)]
    starts = [datetime(day.year, day.month, day.day, 8 + 2 * k) for day in days for k in range(RIDES_PER_DAY)]
    trips = [_ride(f"{n:016X}", start, start + timedelta(minutes=15), n + 1) for n, start in enumerate(starts)]
    stray = _ride("57AA000000000000", datetime(2024, 8, 31, 23, 50), datetime(2024, 9, 1, 0, 5), 9001)
    clock = _ride(CLOCK_RIDE, datetime(2024, 11, 3, 1, 50), datetime(2024, 11, 3, 1, 10), 9002)
    trips += [{**stray, "batch": "202409.zip"}, clock]
    return {"trips": trips, "files": [_bike_file(month, trips) for month in MONTHS]}


def _ride(ride_id: str, start: datetime, end: datetime, line: int) -> Row:
    return {
        "ride_id": ride_id,
        "rideable_type": "electric_bike" if line % 2 else "classic_bike",
        "started_at_local": start,
        "ended_at_local": end,
        "start_station_id": "JC115",
        "end_station_id": "4074.10",
        "start_latitude": 40.72,
        "start_longitude": -74.04,
        "end_latitude": 40.73,
        "end_longitude": -74.05,
        "member_casual": "casual" if line % 5 == 0 else "member",
        "batch": f"{start:%Y%m}.zip",
        "source_line": line,
    }


def _bike_file(month: date, trips: list[Row]) -> Row:
    name = f"{month:%Y%m}.zip"
    rows = sum(trip["batch"] == name for trip in trips)
    return {
        "batch": name,
        "month": month,
        "rows_read": rows,
        "rows_loaded": rows,
        "rows_rejected": 0,
        "rows_repeated": 0,
        "is_cut_by_end": True,
    }
