"""Bike rows for the tests of the pages."""

from collections.abc import Mapping, Sequence
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


def demand_tables(days: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The rows of `demand_days` and of the other tables that the metrics of these days need, by table."""
    riders = [
        {"date_local": day["date_local"], "member_casual": kind, "trips": count, "is_complete": day["is_complete"]}
        for day in days
        for kind, count in (
            ("member", day["member_trips"]),
            ("casual", day["casual_trips"]),
            ("unknown", day["trips"] - day["known_rider_trips"]),
        )
        if count
    ]
    coverage = [{"date_local": day["date_local"], "is_complete": day["is_complete"]} for day in days]
    return {
        "marts.mart_demand_daily": [*days],
        "marts.mart_demand_by_rider_daily": [rider | {"rideable_type": "classic_bike"} for rider in riders],
        "core.fct_bike_coverage_daily": coverage,
    }


def rides(first: str, count: int = 1) -> list[dict[str, Any]]:
    """Rows of `core.fct_trips`, so that a publication has bike data."""
    begin = date.fromisoformat(first)
    return [{"ride_id": str(number), "date_local": begin + timedelta(days=number)} for number in range(count)]


ROWS = demand_tables(demand_days("2024-01-01", [10] * 30)) | {"core.fct_trips": rides("2024-01-01")}
