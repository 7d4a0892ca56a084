"""Queries of the page on stations: flows of a period, one station's day.

Only days with all their departures and arrivals are complete here.
"""

from dataclasses import asdict
from datetime import date

import polars as pl

from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period

FLOW, STATIONS = "marts.mart_station_flow_daily", "core.dim_stations"
COVERAGE, TRIPS = "core.fct_bike_coverage_daily", "core.fct_trips"

_DAYS = """
select date_local
from core.fct_bike_coverage_daily
where is_complete and is_complete_for_arrivals
order by date_local desc
"""
_FLOWS = """
with days as (
    select count(*) as days
    from core.fct_bike_coverage_daily
    where is_complete and is_complete_for_arrivals and date_local between $first and $last
),
flows as (
    select station_id, cast(sum(departures) as bigint) as departures, cast(sum(arrivals) as bigint) as arrivals
    from marts.mart_station_flow_daily
    where is_complete and date_local between $first and $last
    group by station_id
),
ranked as (
    select
        flows.*,
        arrivals - departures as net_flow,
        rank() over (
            order by
                case $by
                    when 'gains' then arrivals - departures
                    when 'losses' then departures - arrivals
                    else departures + arrivals
                end desc
        ) as place
    from flows
)
select
    ranked.place,
    ranked.station_id,
    coalesce(stations.station_name, ranked.station_id) as station_name,
    ranked.departures,
    ranked.arrivals,
    ranked.net_flow,
    ranked.departures / days.days as departures_per_day,
    ranked.arrivals / days.days as arrivals_per_day,
    ranked.net_flow / days.days as net_flow_per_day,
    stations.latitude,
    stations.longitude
from ranked
cross join days
left join core.dim_stations as stations on ranked.station_id = stations.station_id
order by ranked.place, ranked.station_id
"""
_NAMES = """
select station_id, coalesce(station_name, station_id) as station_name
from core.dim_stations
order by lower(coalesce(station_name, station_id)), station_id
"""
_HOURS = """
with days as (
    select date_local
    from core.fct_bike_coverage_daily
    where
        is_complete
        and is_complete_for_arrivals
        and date_local between $first and $last
        and ($kind = 'all' or (isodow(date_local) >= 6) = ($kind = 'weekends'))
),
departures as (
    select hour(started_at_local) as hour_of_day, count(*) as trips
    from core.fct_trips
    where start_station_id = $station and date_local in (select date_local from days)
    group by hour_of_day
),
arrivals as (
    select hour(ended_at_local) as hour_of_day, count(*) as trips
    from core.fct_trips
    where end_station_id = $station and cast(ended_at_local as date) in (select date_local from days)
    group by hour_of_day
),
counted as (
    select count(*) as days from days
)
select
    hours.hour_of_day,
    coalesce(departures.trips, 0) / counted.days as departures,
    coalesce(arrivals.trips, 0) / counted.days as arrivals,
    counted.days
from range(24) as hours (hour_of_day)
cross join counted
left join departures on hours.hour_of_day = departures.hour_of_day
left join arrivals on hours.hour_of_day = arrivals.hour_of_day
where counted.days > 0
order by hours.hour_of_day
"""


def list_days(warehouse: Warehouse) -> list[date]:
    """List the complete days, the latest first.

    Raises:
        NothingToShowError: There is none.
    """
    days: list[date] = warehouse.fetch(_DAYS)["date_local"].to_list()
    if not days:
        raise NothingToShowError(
            "no day has all its departures and arrivals yet; `data-stack run` loads complete months"
        )
    return days


def get_flows(warehouse: Warehouse, period: Period, by: str) -> pl.DataFrame:
    """Get the departures and arrivals of each station.

    Args:
        warehouse: The publication.
        period: The days.
        by: What comes first: `trips` the busiest, `gains` those that fill, `losses` those that empty.

    Returns:
        One row per station with a ride: `place` (equal stations share it), `station_id`, `station_name`, `departures`,
        `arrivals`, `net_flow` (arrivals minus departures), the three also `_per_day`, and `latitude`, `longitude`,
        null where no ride has a position.
    """
    return warehouse.fetch(_FLOWS, **asdict(period), by=by)


def get_names(warehouse: Warehouse) -> dict[str, str]:
    """Get the names of all stations by their identifier, ordered by name."""
    return dict(warehouse.fetch(_NAMES).iter_rows())


def get_hours(warehouse: Warehouse, station: str, period: Period, kind: str) -> pl.DataFrame:
    """Get the mean departures and arrivals of a station by hour of day.

    Args:
        warehouse: The publication.
        station: Its identifier.
        period: The days.
        kind: Which of them: `all`, `weekdays` (Monday to Friday) or `weekends`.

    Returns:
        One row per hour: `hour_of_day`, `departures`, `arrivals`, `days`; no row if no such day is complete.
    """
    return warehouse.fetch(_HOURS, station=station, **asdict(period), kind=kind)
