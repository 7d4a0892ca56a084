"""Queries of the page on weather. A figure of a day needs every hour of it: a missing hour is not zero."""

from dataclasses import asdict

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

_BOUNDS = "select min(date_local), max(date_local) from core.fct_weather_hourly"
# a day has 23 or 25 hours if its offset from UTC changes; the offsets of the days beside it are used where hours at its
# edges are missing
_DAYS = """
with known as (
    select
        date_local,
        count(temperature_c) as temperature_hours,
        avg(temperature_c) as temperature_c_mean,
        min(temperature_c) as temperature_c_min,
        max(temperature_c) as temperature_c_max,
        count(precipitation_mm) as precipitation_hours,
        sum(precipitation_mm) as precipitation_mm,
        count(snowfall_cm) as snowfall_hours,
        sum(snowfall_cm) as snowfall_cm,
        count(temperature_c + precipitation_mm + snowfall_cm) as known_hours,
        arg_min(date_diff('hour', hour_utc, hour_local), hour_utc) as first_offset,
        arg_max(date_diff('hour', hour_utc, hour_local), hour_utc) as last_offset
    from core.fct_weather_hourly
    group by date_local
),
series as (
    select cast(unnest(generate_series(min(date_local), max(date_local), interval 1 day)) as date) as date_local
    from known
),
days as (
    select
        series.date_local,
        known.* exclude (date_local),
        24 + coalesce(
            coalesce(lag(known.last_offset) over by_day, known.first_offset)
            - coalesce(lead(known.first_offset) over by_day, known.last_offset),
            0
        ) as hours
    from series
    left join known on series.date_local = known.date_local
    window by_day as (order by series.date_local)
)
select
    date_local,
    case when temperature_hours = hours then temperature_c_mean end as temperature_c_mean,
    case when temperature_hours = hours then temperature_c_min end as temperature_c_min,
    case when temperature_hours = hours then temperature_c_max end as temperature_c_max,
    case when precipitation_hours = hours then precipitation_mm end as precipitation_mm,
    case when snowfall_hours = hours then snowfall_cm end as snowfall_cm,
    hours - coalesce(known_hours, 0) as missing_hours
from days
where date_local between $first and $last
order by date_local
"""


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the first and the last day with a known value.

    Raises:
        NothingToShowError: There is none.
    """
    return read_bounds(warehouse.fetch(_BOUNDS), "no hour has a known value yet; `data-stack run` loads later hours")


def get_days(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get every day of a period, also days without any hour.

    Args:
        warehouse: The publication.
        period: The days.

    Returns:
        One row per day: `date_local`; `temperature_c_mean`, `temperature_c_min`, `temperature_c_max`,
        `precipitation_mm` and `snowfall_cm`, null unless every hour has the value; `missing_hours`, those without a
        temperature, a precipitation or a snowfall.
    """
    return warehouse.fetch(_DAYS, **asdict(period))
