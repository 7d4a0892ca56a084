"""Known oddities of hourly weather, on both sides of their limits."""

from gate_cases import Bound
from sources.weather.clean import HOURS


def _corrupt_codes(count: int) -> str:
    first_hours = f"hour_utc < timestamp '2024-01-01' + {count} * interval 1 hour"
    return f"update raw.hours set weather_code = -999 where {first_hours}"


BOUNDS = {"is_code_outside_table": Bound(_corrupt_codes, HOURS // 20, HOURS, "2024-01-01 to 2024-01-10")}
