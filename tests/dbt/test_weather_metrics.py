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
# days of which the temperature, the precipitation or both are unknown; of the last one only the morning is loaded
_DAYS = """
insert into marts.mart_weather_daily by name
select
    cast(day as date) as date_local,
    if(number % 9 = 0 or is_last, null, (number * 37 % 700 - 200) / 10) as temperature_c_mean,
    if(number % 9 = 0 or is_last, null, (number * 37 % 700 - 250) / 10) as temperature_c_min,
    if(number % 9 = 0 or is_last, null, (number * 37 % 700 - 111) / 10) as temperature_c_max,
    if(number % 7 = 0 or is_last, null, number * 11 % 90 / 10) as precipitation_mm,
    if(is_last, null, if(month(day) > 10, number % 4 / 2, 0)) as snowfall_cm,
    if(is_last, 15, (number % 9 = 0)::int * 2 + (number % 7 = 0)::int) as missing_hours
from (
    select day, row_number() over (order by day) as number, day = timestamp '2024-11-20' as is_last
    from generate_series(timestamp '2024-05-10', timestamp '2024-11-20', interval 1 day) as series(day)
)
"""
ROWS = ["delete from core.fct_weather_hourly", "delete from marts.mart_weather_daily", _HOURS, _DAYS]

_WHOLE = "core.fct_weather_hourly where date_local < '2024-11-20'"
_DAILY = "marts.mart_weather_daily"

REFERENCES = {
    "temperature": Reference("avg(cast(temperature_c_mean as decimal(12, 4)))", _DAILY),
    "lowest_temperature": Reference("min(temperature_c_min)", _DAILY),
    "highest_temperature": Reference("max(temperature_c_max)", _DAILY),
    "precipitation": Reference("sum(cast(precipitation_mm as decimal(12, 4)))", _DAILY),
    "snowfall": Reference("sum(cast(snowfall_cm as decimal(12, 4)))", _DAILY),
    "missing_weather_hours": Reference("sum(missing_hours)", _DAILY),
    "wet_hours": Reference("count(*) filter (precipitation_mm > 0)", _WHOLE, dimension="condition"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


def test_a_day_without_its_last_hour_is_not_complete(metrics: Metrics) -> None:
    for name in ("temperature", "snowfall", "wet_hours"):
        assert metrics.describe(name).data_until == date(2024, 11, 19)
    assert metrics.describe("missing_weather_hours").data_until == date(2024, 11, 20)
