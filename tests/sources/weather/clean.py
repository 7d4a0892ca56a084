"""A clean raw file of hourly weather, in copies of which the tests of the gate corrupt one thing."""

from datetime import datetime, timedelta
from typing import Any

from gate_cases import LOAD
from raw_builder import build_raw

from data_stack.settings import Settings

LOADS = (LOAD,)
FIRST_HOUR = datetime(2024, 1, 1)
HOURS = 240


def build(settings: Settings) -> None:
    """Write the raw file."""
    build_raw(settings, "weather", {"hours": [_hour(n) for n in range(HOURS)]}, LOAD)


def _hour(n: int) -> dict[str, Any]:
    wet = n % 12 == 0
    return {
        "place_id": "40.7282,-74.0776",
        "latitude": 40.7282,
        "longitude": -74.0776,
        "grid_latitude": 40.738,
        "grid_longitude": -74.0425,
        "elevation": 51.0,
        "hour_utc": FIRST_HOUR + timedelta(hours=n),
        "temperature_2m": 2.0 + n % 24 / 4,
        "relative_humidity_2m": 60.0,
        "apparent_temperature": -1.0 + n % 24 / 4,
        "precipitation": 2.0 if wet else 0.0,
        "rain": 1.0 if wet else 0.0,
        "snowfall": 0.7 if wet else 0.0,
        "wind_speed_10m": 12.0,
        "weather_code": 71 if wet else 2,
    }
