"""What the page on bike demand asks the marts. Days that are not wholly loaded stay out, but of the table."""

import polars as pl

from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period

DAILY, HOURLY = "marts.mart_demand_daily", "marts.mart_demand_hourly"
BY_RIDER = "marts.mart_demand_by_rider_daily"

_BOUNDS = "select min(date_local), max(date_local) from marts.mart_demand_daily where is_complete"
_COMPLETE_DAYS = """
select count(*) from marts.mart_demand_daily where is_complete and date_local between $first and $last
"""
_BY_BUCKET = """
select
    cast(date_trunc($by, date_local) as date) as bucket,
    count(*) as days,
    sum(trips) / count(*) as trips,
    sum(member_trips) / count(*) as member_trips,
    sum(casual_trips) / count(*) as casual_trips,
    sum(trips - member_trips - casual_trips) / count(*) as unknown_trips
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
# days from the daily mart: a day without a ride of a type has no row of it
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


def bounds(warehouse: Warehouse) -> Period:
    """The first and the last day that is wholly loaded.

    Raises:
        NothingToShowError: There is none.
    """
    first, last = warehouse.fetch(_BOUNDS).row(0)
    if first is None:
        raise NothingToShowError("no day is wholly loaded yet; `data-stack run` loads whole months")
    return Period(first, last)


def complete_days(warehouse: Warehouse, period: Period) -> int:
    """How many days of a period are wholly loaded."""
    found: int = warehouse.fetch(_COMPLETE_DAYS, first=period.first, last=period.last).item()
    return found


def by_bucket(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Trips a day by kind of rider, as means over the days of each bucket.

    Args:
        warehouse: The publication.
        period: The days.
        by: `day`, `week` or `month`; a week begins on Monday.

    Returns:
        A row a bucket: `bucket` (its first day), `days`, `trips`, `member_trips`, `casual_trips`, `unknown_trips`.
    """
    return warehouse.fetch(_BY_BUCKET, first=period.first, last=period.last, by=by)


def hours_of_day(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Trips an hour, a row an hour of the day on weekdays and at weekends."""
    return warehouse.fetch(_HOURS_OF_DAY, first=period.first, last=period.last)


def week(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Trips an hour, a row a weekday (1 is Monday) and hour of the day, with the number of hours."""
    return warehouse.fetch(_WEEK, first=period.first, last=period.last)


def rideable_types(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Trips a day by rideable type, a row a bucket and type; the arguments are those of `by_bucket`."""
    return warehouse.fetch(_RIDEABLE_TYPES, first=period.first, last=period.last, by=by)


def days(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Every day of the mart in a period, the latest first, also those that are not wholly loaded."""
    return warehouse.fetch(_DAYS, first=period.first, last=period.last)
