"""Metrics of rides in dry and wet hours, and of the weather of their days, against hand-written SQL."""

from datetime import date

import pytest
from metric_support import Fetch, Reference, ask, assert_equals_reference

from data_stack.metrics.door import Metrics

# every seventh hour is wet, and rides depend on both
_HOURS = """
insert into marts.mart_demand_weather_hourly by name
select
    hour as hour_utc, cast(hour as date) as date_local, hour(hour) as hour_of_day, number % 7 != 0 as is_dry,
    case number % 2 when 0 then 'cold' else 'warm' end as temperature_band,
    (number * 13) % 11 + if(number % 7 != 0, 3, 0) as trips
from (
    select hour, row_number() over (order by hour) as number
    from generate_series(timestamp '2024-03-01', timestamp '2024-10-31 23:00', interval 1 hour) as series(hour)
)
"""
# of one complete day in July and of one incomplete day in May the temperature is unknown
_DAYS = """
insert into marts.mart_demand_daily by name
select
    cast(day as date) as date_local, day not in (timestamp '2024-05-07', timestamp '2024-10-31') as is_complete,
    if(day in (timestamp '2024-05-07', timestamp '2024-07-09'), null, (number * 37 % 300 - 50) / 10)
        as temperature_c_mean
from (
    select day, row_number() over (order by day) as number
    from generate_series(timestamp '2024-03-01', timestamp '2024-10-31', interval 1 day) as series(day)
)
"""
ROWS = ["delete from marts.mart_demand_weather_hourly", "delete from marts.mart_demand_daily", _HOURS, _DAYS]

_ALL = "marts.mart_demand_weather_hourly"
_DRY, _WET = "avg(trips) filter (is_dry)", "avg(trips) filter (not is_dry)"

REFERENCES = {
    "temperature_of_complete_days": Reference(
        "case when count(temperature_c_mean) = count(*) then avg(cast(temperature_c_mean as decimal(12, 4))) end",
        "marts.mart_demand_daily where is_complete",
    ),
    "trips_per_dry_hour": Reference(_DRY, _ALL, dimension="hour_of_day"),
    "trips_per_wet_hour": Reference(_WET, _ALL, dimension="temperature_band"),
    "wet_to_dry_ratio": Reference(f"{_WET} / {_DRY}", _ALL, dimension="hour_of_day"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


def test_hours_without_rides_count(metrics: Metrics, fetch: Fetch) -> None:
    assert fetch(f"select count(*) from {_ALL} where trips = 0 and not is_dry")[0][0] > 0


def test_a_temperature_needs_every_complete_day(metrics: Metrics) -> None:
    name = "temperature_of_complete_days"
    months = ask(metrics, name, "month")
    assert [month.month for (month,), value in sorted(months.items()) if value is None] == [7]
    assert ask(metrics, name, None) in ({}, {(): None})
    # the day without a temperature is not complete
    assert months[date(2024, 5, 1),] is not None
