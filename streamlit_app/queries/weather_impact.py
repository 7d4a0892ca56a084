"""Queries of the page on weather: trips compared with those of dry hours of the same hour and weekday.

Sums of trips are divided by sums of expected trips: the ratio of a single hour at night, with few expected trips, is
mostly chance.
"""

from dataclasses import asdict

import polars as pl

from data_stack.estimates import divide_sums
from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

HOURLY, EFFECT = "marts.mart_demand_weather_hourly", "marts.mart_weather_effect"

_BOUNDS = """
select min(date_local), max(date_local) from marts.mart_demand_weather_hourly where expected_trips is not null
"""
_COMPARED = """
select
    count(*) as hours,
    count(expected_trips) as compared,
    count(*) filter (where expected_trips is not null and not is_dry) as wet
from marts.mart_demand_weather_hourly
where date_local between $first and $last
"""
# only dry hours, so that the effect of temperature does not include rain
_DRY_DAYS = """
select
    date_local,
    sum(temperature_c) / count(*) as temperature_c,
    cast(sum(trips) as double) / cast(sum(expected_trips) as double) - 1 as change,
    cast(sum(trips) as bigint) as trips,
    count(*) as hours
from marts.mart_demand_weather_hourly
where is_dry and expected_trips is not null and date_local between $first and $last
group by date_local
having count(*) >= $hours and sum(expected_trips) > 0
order by date_local
"""
_KIND_WEEKS = """
select
    precipitation_kind as kind,
    date_trunc('week', date_local) as week,
    count(*) as hours,
    sum(trips) as trips,
    cast(sum(expected_trips) as double) as expected,
    min(precipitation_mm) as least_mm,
    max(precipitation_mm) as most_mm
from marts.mart_demand_weather_hourly
where expected_trips is not null and date_local between $first and $last
group by kind, week
order by list_position(['dry', 'light', 'moderate', 'heavy', 'snow'], kind), week
"""
_WET_HOURS = """
select
    hour_of_day,
    count(*) as hours,
    sum(trips) / count(*) as trips,
    cast(sum(expected_trips) as double) / count(*) as expected
from marts.mart_demand_weather_hourly
where not is_dry and expected_trips is not null and date_local between $first and $last
group by hour_of_day
order by hour_of_day
"""
_CONDITIONS = """
select condition, temperature_band, hours, trips, trips_per_hour, difference_from_dry, hours_compared
from marts.mart_weather_effect
order by
    list_position(['clear', 'cloudy', 'fog', 'drizzle', 'rain', 'snow', 'thunderstorm'], condition),
    list_position(['below 0', '0 to 10', '10 to 20', '20 to 30', '30 and above'], temperature_band)
"""


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the first and the last day with an hour that can be compared.

    Raises:
        NothingToShowError: There is none.
    """
    message = "no hour of a complete day has both trips and weather; `data-stack run` loads both for the same months"
    return read_bounds(warehouse.fetch(_BOUNDS), message)


def count_hours(warehouse: Warehouse, period: Period) -> dict[str, int]:
    """Count the `hours` with weather in a period, those `compared` with dry hours, and the `wet` ones of these."""
    counts: dict[str, int] = warehouse.fetch(_COMPARED, **asdict(period)).row(0, named=True)
    return counts


def get_dry_days(warehouse: Warehouse, period: Period, hours: int) -> pl.DataFrame:
    """Compare the dry hours of each day with the expected trips.

    Args:
        warehouse: The publication.
        period: The days.
        hours: How many dry hours a day must have.

    Returns:
        One row per day: `date_local`, `temperature_c` (mean of these hours), `change` (relative to the expected trips,
        0 is as expected), `trips`, `hours`.
    """
    return warehouse.fetch(_DRY_DAYS, **asdict(period), hours=hours)


def get_precipitation_kinds(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Compare hours with the expected trips by kind of precipitation.

    Returns:
        One row per kind: `kind`, `hours`, `weeks`, `change` (relative to the expected trips, 0 is as expected), its
        `standard_error` from leaving out one week after the other (null with one week), the `margin` of its 95 %
        interval (null with few weeks), `least_mm` and `most_mm` of precipitation in an hour.
    """
    weeks = warehouse.fetch(_KIND_WEEKS, **asdict(period))
    parts = weeks.partition_by("kind", maintain_order=True)
    rows = [_summarize_kind(part) for part in parts if part["expected"].sum() > 0]
    types = {"change": pl.Float64, "standard_error": pl.Float64, "margin": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=types)


def _summarize_kind(weeks: pl.DataFrame) -> dict[str, str | float | None]:
    ratio = divide_sums(weeks["trips"], weeks["expected"])
    return {
        "kind": weeks["kind"][0],
        "hours": weeks["hours"].sum(),
        "weeks": ratio.clusters,
        "change": ratio.value - 1,
        "standard_error": ratio.standard_error,
        "margin": ratio.margin,
        "least_mm": weeks.select(pl.min("least_mm")).item(),
        "most_mm": weeks.select(pl.max("most_mm")).item(),
    }


def get_wet_hours(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Get mean and expected trips of hours with precipitation by hour of day, with the number of hours."""
    return warehouse.fetch(_WET_HOURS, **asdict(period))


def get_conditions(warehouse: Warehouse) -> pl.DataFrame:
    """Get the mart of conditions and temperature bands, over all loaded days."""
    return warehouse.fetch(_CONDITIONS)
