"""The facts of the golden hours of weather."""

from datetime import datetime

from dbt_support import rows

from data_stack.settings import Settings


def test_weather_hour_without_a_value_is_not_a_fact(golden: Settings) -> None:
    # 3 Mondays, 23 and 25 hours; the hour with nothing in it is left out
    assert rows(golden, "select count(*), max(hour_utc) from core.fct_weather_hourly") == [
        (51, datetime(2024, 11, 4, 4))
    ]
