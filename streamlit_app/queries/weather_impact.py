"""What the page on weather asks the marts: rides against those of dry hours of the same hour and weekday.

Sums of rides by sums of expected rides; the ratio of a single hour is mostly chance at night, when few are expected.
"""

import polars as pl

from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period

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
# dry hours alone, so that rain is no part of what temperature does
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
_KINDS = """
with hours as (
    select
        date_trunc('week', date_local) as week,
        trips,
        cast(expected_trips as double) as expected,
        precipitation_kind as kind,
        precipitation_mm
    from marts.mart_demand_weather_hourly
    where expected_trips is not null and date_local between $first and $last
),
weeks as (
    select
        kind,
        week,
        count(*) as hours,
        sum(trips) as trips,
        sum(expected) as expected,
        min(precipitation_mm) as least_mm,
        max(precipitation_mm) as most_mm
    from hours
    group by kind, week
),
kinds as (
    select
        kind,
        sum(hours) as hours,
        count(*) as weeks,
        sum(trips) / sum(expected) as ratio,
        sum(expected) as expected,
        min(least_mm) as least_mm,
        max(most_mm) as most_mm
    from weeks
    group by kind
    having sum(expected) > 0
),
-- how far the ratio moves when one week is left out after the other
moved as (
    select
        kinds.kind,
        (weeks.trips - kinds.ratio * weeks.expected) / nullif(kinds.expected - weeks.expected, 0) as by_week
    from weeks
    inner join kinds on weeks.kind = kinds.kind
),
errors as (
    select kind, sqrt((count(*) - 1) / count(*) * sum(power(by_week, 2))) as standard_error
    from moved
    group by kind
)
select
    kinds.kind,
    cast(kinds.hours as bigint) as hours,
    kinds.weeks,
    kinds.ratio - 1 as change,
    errors.standard_error,
    kinds.least_mm,
    kinds.most_mm
from kinds
inner join errors on kinds.kind = errors.kind
order by list_position(['dry', 'light', 'moderate', 'heavy', 'snow'], kinds.kind)
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


def bounds(warehouse: Warehouse) -> Period:
    """The first and the last day with an hour that can be compared.

    Raises:
        NothingToShowError: There is none.
    """
    first, last = warehouse.fetch(_BOUNDS).row(0)
    if first is None:
        raise NothingToShowError(
            "no hour has both trips of a whole day and known weather; `data-stack run` loads both for the same months"
        )
    return Period(first, last)


def compared(warehouse: Warehouse, period: Period) -> dict[str, int]:
    """Hours of a period of known weather: all `hours`, those `compared` with dry ones, of these the `wet`."""
    found: dict[str, int] = warehouse.fetch(_COMPARED, first=period.first, last=period.last).row(0, named=True)
    return found


def dry_days(warehouse: Warehouse, period: Period, hours: int) -> pl.DataFrame:
    """The dry hours of each day against the expected.

    Args:
        warehouse: The publication.
        period: The days.
        hours: Dry hours that a day must have.

    Returns:
        A row a day: `date_local`, `temperature_c` (mean of these hours), `change` (share of the expected rides, 0 is
        as expected), `trips`, `hours`.
    """
    return warehouse.fetch(_DRY_DAYS, first=period.first, last=period.last, hours=hours)


def kinds(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Hours by their precipitation against the expected.

    Returns:
        A row a `precipitation_kind`: `kind`, `hours`, `weeks`, `change` (share of the expected rides, 0 is as
        expected), `standard_error` of it, from leaving out one week after the other; null with one week; `least_mm`
        and `most_mm` of precipitation in an hour.
    """
    return warehouse.fetch(_KINDS, first=period.first, last=period.last)


def wet_hours(warehouse: Warehouse, period: Period) -> pl.DataFrame:
    """Rides an hour with precipitation, and those expected, a row an hour of the day, with the number of hours."""
    return warehouse.fetch(_WET_HOURS, first=period.first, last=period.last)


def conditions(warehouse: Warehouse) -> pl.DataFrame:
    """The mart of conditions and temperature bands, over all loaded days."""
    return warehouse.fetch(_CONDITIONS)
