"""Answers in the format of the weather provider, with values that a test knows."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dlt_pipeline.sample.weather import WeatherSample


def make_sample(folder: Path) -> WeatherSample:
    """What the fixture `serve` serves: the same weather every day."""
    return WeatherSample(FixedWeather())


class FixedWeather:
    """Answers the archive API: the temperature is the hour of the day, everything else is 0.

    Args:
        override: Values by (variable, hour as `2024-01-01T00:00`) that replace the fixed ones.
        leave_out: Variables that are missing in the answer.
    """

    def __init__(self, override: Mapping[tuple[str, str], Any] | None = None, leave_out: Sequence[str] = ()) -> None:
        self.override = dict(override or {})
        self.leave_out = leave_out

    def answer(self, params: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """HTTP status and body."""
        first = datetime.fromisoformat(params["start_date"])
        hours = ((date.fromisoformat(params["end_date"]) - first.date()).days + 1) * 24
        times = [(first + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M") for hour in range(hours)]
        series = {
            name: [
                self.override.get((name, time), int(time[11:13]) if name == "temperature_2m" else 0) for time in times
            ]
            for name in params["hourly"].split(",")
            if name not in self.leave_out
        }
        body = {"latitude": 40.74, "longitude": -74.04, "elevation": 5.0, "hourly": {"time": times, **series}}
        return 200, body
