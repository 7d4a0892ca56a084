"""Rows of stations for the tests of the pages."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


def day_of_station(station: str, day: str, **minutes: int) -> dict[str, Any]:
    """A row of `marts.mart_station_availability_daily`; what is not given by state is available.

    Args:
        station: Its identifier.
        day: The day.
        minutes: Minutes by state, `empty`, `full` or `out_of_service`, and `observed`, 100 if it is left out.
    """
    observed = minutes.pop("observed", 100)
    states = {"empty": 0, "full": 0, "out_of_service": 0, **minutes}
    columns = {"observed": observed, "available": observed - sum(states.values()), **states}
    return {
        "station_id": station,
        "date_local": date.fromisoformat(day),
        "minutes_in_day": 1440,
        **{f"{name}_minutes": Decimal(value) for name, value in columns.items()},
    }


def report(station: str, time: str, bikes: int, docks: int, minutes: int = 60) -> dict[str, Any]:
    """A row of `core.fct_station_status` in winter, which holds for some minutes."""
    local = datetime.fromisoformat(time)
    utc, length = local + timedelta(hours=5), timedelta(minutes=minutes)
    return {
        "station_id": station,
        "reported_at_utc": utc,
        "reported_at_local": local,
        "date_local": local.date(),
        "valid_until_utc": utc + length,
        "valid_until_local": local + length,
        "bikes": bikes,
        "docks": docks,
        "is_in_service": True,
        "state": "available",
    }


ROWS = {
    "core.fct_station_status": [report("a", "2024-01-01 12:00", 3, 12)],
    "marts.mart_station_availability_daily": [day_of_station("a", "2024-01-01", observed=60)],
}
