"""Weather rows for the tests of the pages."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
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


def weather_day(day: str, mean: float | None = 5.0, **columns: Any) -> dict[str, Any]:
    """A row of `marts.mart_weather_daily`; dry, as warm in every hour, and without missing hours unless said otherwise.

    Args:
        day: The day.
        mean: Its mean temperature, degrees Celsius.
        columns: Values of other columns.
    """
    temperatures = {f"temperature_c_{name}": mean for name in ("mean", "min", "max")}
    amounts = {"precipitation_mm": 0.0, "snowfall_cm": 0.0, "missing_hours": 0}
    return {"date_local": date.fromisoformat(day), **temperatures, **amounts, **columns}


ROWS = {
    "core.fct_weather_hourly": weather_hours("2024-01-31 05:00", [5.0] * 24),
    "marts.mart_weather_daily": [weather_day("2024-01-31")],
}
