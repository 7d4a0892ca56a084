"""Queries of the page on holidays: trips of nationwide holidays compared with ordinary days of the same weekday."""

from dataclasses import asdict

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

EFFECT = "marts.mart_holiday_effect"

_BOUNDS = "select min(date_local), max(date_local) from marts.mart_holiday_effect"
_EFFECTS = """
select
    date_local, holiday, weekday, trips, comparison_trips, comparison_days, difference, difference_share
from marts.mart_holiday_effect
where date_local between $first and $last
order by date_local
"""
_OTHERS = """
select date_local, holiday, entries
from core.fct_holidays
where not is_nationwide and date_local between $first and $last
order by date_local, holiday
"""


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the first and the last nationwide holiday with trips.

    Raises:
        NothingToShowError: There is none.
    """
    message = (
        "no complete day of trips is a nationwide holiday; `data-stack run` loads more months with --from and --to"
    )
    return read_bounds(warehouse.fetch(_BOUNDS), message)


def get_effects(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get the mart of the effect of holidays for some days, in their order."""
    return warehouse.fetch(_EFFECTS, **asdict(period))


def get_other_holidays(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get the holidays that are not nationwide: `date_local`, `holiday` and the number of its `entries`."""
    return warehouse.fetch(_OTHERS, **asdict(period))
