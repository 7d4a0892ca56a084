"""Queries of the page on empty and full stations: minutes of a period, one station's day."""

from dataclasses import asdict
from datetime import date

import polars as pl

from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

AVAILABILITY = "marts.mart_station_availability_daily"

_BOUNDS = "select min(date_local), max(date_local) from marts.mart_station_availability_daily"
_RANKING = """
with stations as (
    select
        station_id,
        cast(sum(observed_minutes) as double) as observed_minutes,
        cast(sum(empty_minutes) as double) as empty_minutes,
        cast(sum(full_minutes) as double) as full_minutes,
        cast(sum(out_of_service_minutes) as double) as out_of_service_minutes,
        cast(sum(observed_minutes) / sum(minutes_in_day) as double) as observed_share
    from marts.mart_station_availability_daily
    where date_local between $first and $last
    group by station_id
),
measured as (
    select
        *,
        empty_minutes / observed_minutes as empty_share,
        full_minutes / observed_minutes as full_share
    from stations
)
select
    rank() over (
        order by
            case $by
                when 'empty' then empty_minutes
                when 'full' then full_minutes
                when 'empty_share' then empty_share
                else full_share
            end desc
    ) as place,
    station_id,
    empty_minutes,
    empty_share,
    full_minutes,
    full_share,
    out_of_service_minutes,
    observed_minutes,
    observed_share
from measured
order by place, station_id
"""
# not the days on which only a report of the day before holds
_DAYS = """
select distinct date_local
from core.fct_station_status
where station_id = $station and date_local between $first and $last
order by date_local desc
"""
# a report of the day before can hold beyond midnight
_REPORTS = """
select
    greatest(reported_at_local, cast($day as timestamp)) as begins_at_local,
    least(valid_until_local, cast($day as timestamp) + interval 1 day) as ends_at_local,
    bikes,
    docks,
    state
from core.fct_station_status
where
    station_id = $station
    and reported_at_local < cast($day as timestamp) + interval 1 day
    and valid_until_local > cast($day as timestamp)
order by reported_at_utc
"""


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the first and the last day with an observed minute.

    Raises:
        NothingToShowError: There is none.
    """
    return read_bounds(
        warehouse.fetch(_BOUNDS), "no minute of a station is observed yet; `data-stack run` polls the feed"
    )


def get_ranking(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Get the minutes of each station.

    Args:
        warehouse: The publication.
        period: The days.
        by: What is largest first: the minutes `empty` or `full`, or their share of the observed minutes, `empty_share`
            or `full_share`.

    Returns:
        One row per observed station: `place` (equal stations share it), `station_id`, `empty_minutes`, `empty_share`,
        `full_minutes`, `full_share`, `out_of_service_minutes`, `observed_minutes`, and `observed_share`, of the minutes
        of the days on which it was observed.
    """
    return warehouse.fetch(_RANKING, **asdict(period), by=by)


def list_days(warehouse: Warehouse, station: str, period: Period) -> list[date]:
    """List the days of a period on which a station has reported, the latest first.

    Raises:
        NothingToShowError: There is none.
    """
    days: list[date] = warehouse.fetch(_DAYS, station=station, **asdict(period))["date_local"].to_list()
    if not days:
        raise NothingToShowError(f"station {station} has no report in this period; choose another period or station")
    return days


def get_reports(warehouse: Warehouse, station: str, day: date) -> pl.DataFrame:
    """Get what a station reported on a day.

    Args:
        warehouse: The publication.
        station: Its identifier.
        day: The local day.

    Returns:
        One row per report that holds on the day, in their order: `begins_at_local` and `ends_at_local`, within the day;
        `bikes`, `docks` (null if unknown), `state`.
    """
    return warehouse.fetch(_REPORTS, station=station, day=day)
