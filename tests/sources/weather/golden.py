"""Golden hours of weather, on days of a daylight saving time change in New York and on Mondays.

In 2024, 10 March has 23 hours from 05:00 UTC, and 3 November has 25 hours from 04:00 UTC.
"""

from datetime import date, datetime, timedelta
from typing import Any

from raw_builder import build_raw, pass_loads

from data_stack.settings import Settings

# the last hour is without any value, so its day is none
DAYS = (date(2024, 3, 4), date(2024, 11, 3))
# the load is from now
FRESHNESS = "pass"


def load_golden(settings: Settings) -> None:
    """Write the rows into the raw file and let their load pass."""
    build_raw(settings, "weather", {"hours": weather_hours()}, load_id="1.0")
    pass_loads(settings, ["weather"])


def weather_hours() -> list[dict[str, Any]]:
    """Weather of three Mondays at 8, of the spring day (23 hours) and of the autumn day (25 hours)."""
    mondays = [
        _hour(datetime(2024, 3, 4, 13), 5.0, 0.0, 0),
        _hour(datetime(2024, 3, 11, 12), 5.0, 0.0, 1),
        _hour(datetime(2024, 3, 18, 12), 8.0, 1.2, 61),
    ]
    # 0 to 22 degrees, 0.1 mm in each hour, the first one snow
    spring = [
        _hour(datetime(2024, 3, 10, 5) + timedelta(hours=i), float(i), 0.1, 3, 0.0 if i else 0.07) for i in range(23)
    ]
    # 12 degrees, but 12.5 in the first hour; no precipitation, but unknown in the first hour
    autumn = [
        _hour(datetime(2024, 11, 3, 4) + timedelta(hours=i), 12.0 if i else 12.5, 0.0 if i else None, 0)
        for i in range(25)
    ]
    # an hour without any value is left out of the facts
    nothing = _hour(datetime(2024, 11, 4, 5), None, None, None)
    return [*mondays, *spring, *autumn, nothing]


def _hour(
    hour: datetime,
    temperature: float | None,
    precipitation: float | None,
    code: int | None,
    snowfall: float | None = None,
) -> dict[str, Any]:
    return {
        "place_id": "40.7282,-74.0776",
        "hour_utc": hour,
        "temperature_2m": temperature,
        "precipitation": precipitation,
        "snowfall": snowfall,
        "weather_code": code,
    }
