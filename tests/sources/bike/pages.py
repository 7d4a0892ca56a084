"""Bike rows for the tests of the pages."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any


def demand_days(first: str, trips: Sequence[int], **columns: Any) -> list[dict[str, Any]]:
    """Rows of `marts.mart_demand_daily`, one per day; half of the trips are members' unless said otherwise."""
    begin = date.fromisoformat(first)
    return [
        {
            "date_local": begin + timedelta(days=number),
            "trips": count,
            "member_trips": count // 2,
            "casual_trips": count - count // 2,
            "known_rider_trips": count,
            "is_complete": True,
            **columns,
        }
        for number, count in enumerate(trips)
    ]


def rides(first: str, count: int = 1) -> list[dict[str, Any]]:
    """Rows of `core.fct_trips`, so that a publication has bike data."""
    begin = date.fromisoformat(first)
    return [{"ride_id": str(number), "date_local": begin + timedelta(days=number)} for number in range(count)]


ROWS = {"marts.mart_demand_daily": demand_days("2024-01-01", [10] * 30), "core.fct_trips": rides("2024-01-01")}
