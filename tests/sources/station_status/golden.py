"""Golden reports of two stations: one over midnight before the spring day, one through the autumn day.

In 2024, 10 March begins at 05:00 UTC and has 23 hours; 3 November begins at 04:00 UTC and has 25 hours.
"""

from datetime import date, datetime, timedelta
from typing import Any

from raw_builder import build_raw, pass_loads

from data_stack.settings import Settings

DAYS = (date(2024, 3, 9), date(2024, 11, 3))
# the load is from now
FRESHNESS = "pass"


def load_golden(settings: Settings) -> None:
    """Write the rows into the raw file and let their load pass."""
    build_raw(settings, "station_status", {"reports": [*_spring(), *_autumn()]}, load_id="1.0")
    pass_loads(settings, ["station_status"])


def _spring() -> list[dict[str, Any]]:
    """Empty over midnight, available, full for more than an hour, and out of service."""
    return [
        _report("a", datetime(2024, 3, 10, 4, 30), bikes=0, docks=15),
        _report("a", datetime(2024, 3, 10, 5, 10), bikes=3, docks=12),
        _report("a", datetime(2024, 3, 10, 5, 30), bikes=15, docks=0),
        _report("a", datetime(2024, 3, 10, 8), bikes=0, docks=0, is_in_service=False),
    ]


def _autumn() -> list[dict[str, Any]]:
    """A report per hour of the day, the first ten without a bike."""
    first = datetime(2024, 11, 3, 4)
    return [_report("b", first + timedelta(hours=n), bikes=0 if n < 10 else 5, docks=10) for n in range(25)]


def _report(station: str, time: datetime, bikes: int, docks: int, is_in_service: bool = True) -> dict[str, Any]:
    return {
        "station_id": station,
        "last_reported_utc": time,
        "num_bikes_available": bikes,
        "num_ebikes_available": bikes // 3,
        "num_docks_available": docks,
        "is_installed": True,
        "is_renting": is_in_service,
        "is_returning": is_in_service,
    }
