"""Queries of the page on weather, by day; key figures are metrics."""

from dataclasses import asdict

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

DAILY = "marts.mart_weather_daily"

_BOUNDS = "select min(date_local), max(date_local) from marts.mart_weather_daily"
_DAYS = """
select
    date_local,
    temperature_c_mean,
    temperature_c_min,
    temperature_c_max,
    precipitation_mm,
    snowfall_cm,
    missing_hours
from marts.mart_weather_daily
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
