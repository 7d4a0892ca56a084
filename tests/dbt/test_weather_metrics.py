"""Metrics of the weather against hand-written SQL."""

from datetime import date

import pytest
from metric_support import Fetch, Reference, assert_equals_reference

from data_stack.metrics.door import Metrics

# hours of half a year; of the last day only the morning is loaded
_HOURS = """
insert into core.fct_weather_hourly by name
select
    hour as hour_utc, hour as hour_local, cast(hour as date) as date_local,
    case when number % 50 = 0 then null else (number * 37 % 700 - 200) / 10 end as temperature_c,
    case when number % 60 = 0 then null when number % 3 = 0 then number % 40 / 10 else 0 end as precipitation_mm,
    case number % 3 when 0 then 'rain' when 1 then 'clear' else 'cloudy' end as condition
from (
    select hour, row_number() over (order by hour) as number
    from generate_series(timestamp '2024-05-10', timestamp '2024-11-20 09:00', interval 1 hour) as series(hour)
)
"""
ROWS = ["delete from core.fct_weather_hourly", _HOURS]

_WHOLE = "core.fct_weather_hourly where date_local < '2024-11-20'"

REFERENCES = {
    "temperature": Reference("avg(cast(temperature_c as decimal(12, 4)))", _WHOLE, dimension="condition"),
    "lowest_temperature": Reference("min(temperature_c)", _WHOLE, dimension="condition"),
    "highest_temperature": Reference("max(temperature_c)", _WHOLE, dimension="condition"),
    "precipitation": Reference("sum(cast(precipitation_mm as decimal(12, 4)))", _WHOLE, dimension="condition"),
    "wet_hours": Reference("count(*) filter (precipitation_mm > 0)", _WHOLE, dimension="condition"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


def test_a_day_without_its_last_hour_is_not_complete(metrics: Metrics) -> None:
    assert metrics.describe("temperature").data_until == date(2024, 11, 19)
