"""Queries of the card of bike on the start page. They leave out days that are not complete."""

from dataclasses import asdict, dataclass

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries.bike_demand import get_bounds

__all__ = ["Demand", "get_bounds", "get_demand", "get_trend"]

_DEMAND = """
select
    count(*) as days,
    cast(coalesce(sum(trips), 0) as bigint) as trips,
    sum(trips) / count(*) as trips_per_day,
    sum(member_trips) / nullif(sum(known_rider_trips), 0) as member_share,
    case when count(temperature_c_mean) = count(*) then avg(temperature_c_mean) end as temperature_c
from marts.mart_demand_daily
where is_complete and date_local between $first and $last
"""
# a mean only where all seven days are complete
_TREND = """
with days as (
    select
        date_local,
        trips,
        count(*) over last_week as week_days,
        avg(trips) over last_week as week_mean
    from marts.mart_demand_daily
    where is_complete
    window last_week as (order by date_local range between interval 6 days preceding and current row)
)
select date_local, trips, case when week_days = 7 then week_mean end as week_mean
from days
where date_local between $first and $last
order by date_local
"""


@dataclass(frozen=True)
class Demand:
    """Demand on the complete days of a period.

    Attributes:
        days: How many complete days there are.
        trips: Their trips.
        trips_per_day: The mean; None without a day.
        member_share: Share of members in the trips of riders of known kind, 0 to 1; None without such a trip.
        temperature_c: Mean of the days' mean temperatures, degrees Celsius; None unless every day has one.
    """

    days: int
    trips: int
    trips_per_day: float | None
    member_share: float | None
    temperature_c: float | None


def get_demand(warehouse: Warehouse, period: Period) -> Demand:
    """Get the demand of a period."""
    return Demand(**warehouse.fetch(_DEMAND, **asdict(period)).row(0, named=True))


def get_trend(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get one row per complete day: `date_local`, `trips`, `week_mean` of the seven days that end with it."""
    return warehouse.fetch(_TREND, **asdict(period))
