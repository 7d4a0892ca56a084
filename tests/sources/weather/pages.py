"""Weather rows for the tests of the pages."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any


def weather_hours(first_utc: str, temperatures: Sequence[float | None], offset: int = -5, **columns: Any) -> list[Any]:
    """Rows of `core.fct_weather_hourly`, one per hour; dry unless said otherwise.

    Args:
        first_utc: The first hour.
        temperatures: One per hour, degrees Celsius.
        offset: Of local time from UTC, in hours.
        columns: Values of other columns, the same in each row.
    """
    begin = datetime.fromisoformat(first_utc)
    rows = []
    for number, temperature in enumerate(temperatures):
        hour = begin + timedelta(hours=number)
        local = hour + timedelta(hours=offset)
        times = {"hour_utc": hour, "hour_local": local, "date_local": local.date()}
        rows.append({**times, "temperature_c": temperature, "precipitation_mm": 0.0, "snowfall_cm": 0.0, **columns})
    return rows


ROWS = {"core.fct_weather_hourly": weather_hours("2024-01-31 05:00", [5.0] * 24)}
