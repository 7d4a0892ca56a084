"""Queries of the card of bike on the start page, without days that are not complete; key figures are metrics."""

from dataclasses import asdict

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries.bike_demand import get_bounds

__all__ = ["get_bounds", "get_trend"]

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


def get_trend(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get one row per complete day: `date_local`, `trips`, `week_mean` of the seven days that end with it."""
    return warehouse.fetch(_TREND, **asdict(period))
