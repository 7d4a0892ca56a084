"""Queries of the page on bike demand. All but `get_days` leave out days that are not complete."""

from dataclasses import asdict

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

DAILY, HOURLY = "marts.mart_demand_daily", "marts.mart_demand_hourly"
BY_RIDER = "marts.mart_demand_by_rider_daily"

_BOUNDS = "select min(date_local), max(date_local) from marts.mart_demand_daily where is_complete"
_TRIPS = """
select
    cast(date_trunc($by, date_local) as date) as bucket,
    count(*) as days,
    sum(trips) / count(*) as trips,
    sum(member_trips) / count(*) as member_trips,
    sum(casual_trips) / count(*) as casual_trips,
    sum(trips - known_rider_trips) / count(*) as unknown_trips
from marts.mart_demand_daily
where is_complete and date_local between $first and $last
group by bucket
order by bucket
"""
_HOURS_OF_DAY = """
select
    hour_of_day,
    weekday >= 6 as is_weekend,
    sum(trips) / count(*) as trips,
    sum(member_trips) / count(*) as member_trips,
    sum(casual_trips) / count(*) as casual_trips
from marts.mart_demand_hourly
where is_complete and date_local between $first and $last
group by hour_of_day, is_weekend
order by is_weekend, hour_of_day
"""
_WEEK = """
select weekday, hour_of_day, count(*) as hours, sum(trips) / count(*) as trips
from marts.mart_demand_hourly
where is_complete and date_local between $first and $last
group by weekday, hour_of_day
order by weekday, hour_of_day
"""
# days come from the daily mart: a type without a ride on a day has no row for it
_RIDEABLE_TYPES = """
with days as (
    select cast(date_trunc($by, date_local) as date) as bucket, count(*) as days
    from marts.mart_demand_daily
    where is_complete and date_local between $first and $last
    group by bucket
),
rides as (
    select
        cast(date_trunc($by, date_local) as date) as bucket,
        coalesce(rideable_type, 'unknown') as rideable_type,
        sum(trips) as trips
    from marts.mart_demand_by_rider_daily
    where is_complete and date_local between $first and $last
    group by bucket, rideable_type
)
select days.bucket, rides.rideable_type, cast(rides.trips as double) / days.days as trips
from days
inner join rides on days.bucket = rides.bucket
order by days.bucket, rides.rideable_type
"""
_DAYS = """
select
    date_local,
    trips,
    member_trips,
    casual_trips,
    avg_duration_minutes,
    temperature_c_mean,
    precipitation_mm,
    is_complete
from marts.mart_demand_daily
where date_local between $first and $last
order by date_local desc
"""


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the first and the last complete day.

    Raises:
        NothingToShowError: There is none.
    """
    return read_bounds(warehouse.fetch(_BOUNDS), "no day is complete yet; `data-stack run` loads complete months")


def get_trips(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Get the mean trips per day by kind of rider.

    Args:
        warehouse: The publication.
        period: The days.
        by: `day`, `week` or `month`; a week begins on Monday.

    Returns:
        One row per bucket: `bucket` (its first day), `days`, `trips`, `member_trips`, `casual_trips`, `unknown_trips`.
    """
    return warehouse.fetch(_TRIPS, **asdict(period), by=by)


def get_hours_of_day(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get the mean trips per hour of day, for weekdays and weekends."""
    return warehouse.fetch(_HOURS_OF_DAY, **asdict(period))


def get_week(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get the mean trips per weekday (1 is Monday) and hour of day, with the number of hours."""
    return warehouse.fetch(_WEEK, **asdict(period))


def get_rideable_types(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Get the mean trips per day by bucket and rideable type; the arguments are those of `get_trips`."""
    return warehouse.fetch(_RIDEABLE_TYPES, **asdict(period), by=by)


def get_days(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get every day of a period, the latest first, including days that are not complete."""
    return warehouse.fetch(_DAYS, **asdict(period))
