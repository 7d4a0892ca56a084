"""Rows of holidays for the tests of the pages."""

from datetime import date
from typing import Any


def effect(day: str, name: str, trips: int, mean: float | None, days: int = 8) -> dict[str, Any]:
    """A row of `marts.mart_holiday_effect`.

    Args:
        day: The holiday.
        name: Its name.
        trips: Its trips.
        mean: Mean of the days of comparison; None without any.
        days: Their number.
    """
    difference = None if mean is None else trips - mean
    return {
        "date_local": date.fromisoformat(day),
        "holiday": name,
        "weekday": date.fromisoformat(day).isoweekday(),
        "trips": trips,
        "comparison_trips": mean,
        "comparison_days": 0 if mean is None else days,
        "difference": difference,
        "difference_share": difference / mean if difference is not None and mean else None,
    }


def holiday(day: str, name: str, is_nationwide: bool = True) -> dict[str, Any]:
    """A row of `core.fct_holidays`."""
    return {"date_local": date.fromisoformat(day), "holiday": name, "is_nationwide": is_nationwide, "entries": 1}


ROWS = {
    "core.fct_holidays": [holiday("2024-01-15", "A Monday"), holiday("2024-01-16", "A Tuesday", False)],
    "marts.mart_holiday_effect": [effect("2024-01-15", "A Monday", 5, 10.0)],
}
