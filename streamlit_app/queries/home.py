"""What the start page asks the marts."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period

_FIGURES = """
select
    count(*) as days,
    cast(coalesce(sum(trips), 0) as bigint) as trips,
    sum(trips) / count(*) as trips_per_day,
    sum(member_trips) / nullif(sum(member_trips + casual_trips), 0) as member_share,
    case when count(temperature_c_mean) = count(*) then avg(temperature_c_mean) end as temperature_c
from marts.mart_demand_daily
where is_complete and date_local between $first and $last
"""
# a mean only where all seven days are there
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
_MONTHS = """
select
    month,
    cast(income as double) as income,
    cast(spending as double) as spending,
    cast(net as double) as net
from marts.mart_cash_flow_monthly
where is_complete
order by month desc
limit 2
"""


@dataclass(frozen=True)
class Figures:
    """Demand of the wholly loaded days of a period.

    Attributes:
        days: How many they are.
        trips: Their trips.
        trips_per_day: The mean; None without a day.
        member_share: Trips of members by those of known riders, 0 to 1; None without one.
        temperature_c: Mean of the days' mean temperatures, degrees Celsius; None unless each day has one.
    """

    days: int
    trips: int
    trips_per_day: float | None
    member_share: float | None
    temperature_c: float | None


@dataclass(frozen=True)
class Month:
    """Money of a month."""

    month: date
    income: float
    spending: float
    net: float


def figures(warehouse: Warehouse, period: Period) -> Figures:
    """Demand of a period."""
    return Figures(**warehouse.fetch(_FIGURES, first=period.first, last=period.last).row(0, named=True))


def trend(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Trips, a row a wholly loaded day: `date_local`, `trips`, `week_mean` of the seven days that end with it."""
    return warehouse.fetch(_TREND, first=period.first, last=period.last)


def last_months(warehouse: Warehouse) -> tuple[Month | None, Month | None]:
    """The last whole month and the one directly before it, where there are such."""
    found = [Month(**row) for row in warehouse.fetch(_MONTHS).iter_rows(named=True)]
    last = found[0] if found else None
    before = found[1] if len(found) == 2 and _follows(found[1].month, found[0].month) else None
    return last, before


def _follows(before: date, month: date) -> bool:
    return (before.year * 12 + before.month) + 1 == month.year * 12 + month.month
