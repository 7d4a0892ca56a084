"""Metrics of the state of stations against hand-written SQL."""

import pytest
from metric_support import Fetch, Reference, assert_equals_reference

from data_stack.metrics.door import Metrics

_DAYS = """
insert into marts.mart_station_availability_daily by name
select
    's' || station as station_id, cast(day as date) as date_local, 1440 as minutes_in_day,
    1440 - number * station % 700 as observed_minutes, number * 7 % 300 as empty_minutes,
    number * 11 % 200 as full_minutes
from (
    select day, row_number() over (order by day) as number, unnest([1, 2, 3]) as station
    from generate_series(date '2024-11-15', date '2024-12-20', interval 1 day) as series(day)
)
"""
ROWS = ["delete from marts.mart_station_availability_daily", _DAYS]

_ALL, _STATION = "marts.mart_station_availability_daily", {"dimension": "feed_station_id", "expression": "station_id"}

REFERENCES = {
    "observed_minutes": Reference("sum(observed_minutes)", _ALL, **_STATION),
    "observed_stations": Reference("count(distinct station_id)", _ALL),
    "empty_minutes": Reference("sum(empty_minutes)", _ALL, **_STATION),
    "full_minutes": Reference("sum(full_minutes)", _ALL, **_STATION),
    "empty_share": Reference("sum(empty_minutes) / sum(observed_minutes)", _ALL, **_STATION),
    "full_share": Reference("sum(full_minutes) / sum(observed_minutes)", _ALL, **_STATION),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])
