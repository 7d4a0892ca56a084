"""Expectations on hourly weather from Open-Meteo's archive, in the provider's units (degC, %, mm, cm, km/h).

A single measure beyond its physical limits rejects a load: the models publish it as it is, and one -999 in a day moves
the mean temperature by 40 degrees without any flag. Missing hours and values, and codes without a meaning, are flagged.
"""

import great_expectations.expectations as gxe

from data_quality.check import Check, Oddity, critical, warning

# the codes of WMO table 4677 that Open-Meteo documents
SKY, FOG, DRIZZLE, RAIN = [0, 1, 2, 3], [45, 48], [51, 53, 55, 56, 57], [61, 63, 65, 66, 67]
SNOW, SHOWERS, THUNDERSTORM = [71, 73, 75, 77], [80, 81, 82, 85, 86], [95, 96, 99]
KNOWN_CODES = [*SKY, *FOG, *DRIZZLE, *RAIN, *SNOW, *SHOWERS, *THUNDERSTORM]
MEASURES = (
    "temperature_2m",
    "relative_humidity_2m",
    "apparent_temperature",
    "precipitation",
    "rain",
    "snowfall",
    "wind_speed_10m",
    "weather_code",
)

_CODE_OUTSIDE_TABLE = Oddity(
    "is_code_outside_table",
    "WMO table 4677 has the codes 0 to 99; any other number is a placeholder, so the condition is unknown and the hour"
    " is in no comparison.",
    share_max=0.05,
    share_reason="as many hours may have no code, which has the same effect",
    basis="the codes of a load",
)

_HOURS = f"""
hours as (
    select *, weather_code not between 0 and 99 as {_CODE_OUTSIDE_TABLE.column}
    from raw.hours
    where _dlt_load_id = $load_id
)
"""

# according to the provider, 7 cm of snow are 10 mm of water
_ROWS = f"""
with repeated as (
    select place_id, hour_utc, count(*) as copies from raw.hours group by place_id, hour_utc having count(*) > 1
),
{_HOURS}
select
    coalesce(strftime(hours.hour_utc, '%Y-%m-%d %H:%M:%S'), 'an hour without a time') as key,
    hours.place_id,
    hours.hour_utc,
    year(hours.hour_utc) as year,
    coalesce(repeated.copies, 1) as copies_of_hour,
    date_diff('second', date_trunc('hour', hours.hour_utc), hours.hour_utc) as seconds_past_the_hour,
    greatest(abs(latitude - grid_latitude), abs(longitude - grid_longitude)) as degrees_to_grid_cell,
    temperature_2m,
    relative_humidity_2m,
    apparent_temperature,
    precipitation,
    rain,
    snowfall,
    wind_speed_10m,
    weather_code,
    {_CODE_OUTSIDE_TABLE.column},
    apparent_temperature - temperature_2m as apparent_minus_actual,
    precipitation - rain - snowfall / 0.7 as precipitation_minus_parts,
    {" + ".join(f"({measure} is not null)::int" for measure in MEASURES)} as measures_answered
from hours
left join repeated on hours.place_id = repeated.place_id and hours.hour_utc = repeated.hour_utc
"""

_SHARES = f"""
with {_HOURS}
select concat_ws(' to ', min(hour_utc)::date, max(hour_utc)::date) as key, {_CODE_OUTSIDE_TABLE.share_sql}
from hours
"""

_EXPECTED_HOURS = """
with bounds as (
    select date_trunc('hour', min(hour_utc)) as first_hour, max(hour_utc) as last_hour
    from raw.hours
    where _dlt_load_id = $load_id
),
expected as (
    select hour_utc, hour_utc in (select hour_utc from raw.hours where hour_utc is not null) as is_present
    from (select unnest(generate_series(first_hour, last_hour, interval 1 hour)) as hour_utc from bounds)
)
"""

_DAYS = f"""
{_EXPECTED_HOURS}
select hour_utc::date::text as key, count(*) filter (where not is_present) as hours_missing
from expected
group by hour_utc::date
order by hour_utc::date
"""

_RANGE = f"""
{_EXPECTED_HOURS}
select
    concat_ws(' to ', min(hour_utc)::date, max(hour_utc)::date) as key,
    count(*) filter (where not is_present) / count(*) as missing_share,
    (select count(distinct place_id) from raw.hours) as places
from expected
"""

_VARIABLES = "\nunion all\n".join(
    f"select '{measure}' as key, case when count({measure}) > 0 then 1 - count({measure}) / count(*) end as null_share"
    " from raw.hours where _dlt_load_id = $load_id"
    for measure in MEASURES
)


_ROW_EXPECTATIONS = (
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "place_id",
        "The requested place is part of the key of an hour; without it a later load cannot replace the hour.",
    ),
    critical(gxe.ExpectColumnValuesToNotBeNull, "hour_utc", "An hour without a time cannot be joined to any ride."),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "year",
        "The archive begins in 1940, so an earlier hour is a time that was read incorrectly.",
        min_value=1940,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "copies_of_hour",
        "Each hour of a place appears once; a duplicate hour doubles every ride that is joined to it.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "seconds_past_the_hour",
        "Rides join weather by the full hour in UTC; a time such as 10:30 is in another time zone and joins no ride.",
        min_value=0,
        max_value=0,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "degrees_to_grid_cell",
        "The provider returns a grid cell near the place; a cell over one degree away is another place.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "temperature_2m",
        "The temperature is in degrees Celsius; a value beyond 60 is in Fahrenheit or a placeholder.",
        min_value=-60,
        max_value=60,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "relative_humidity_2m",
        "Relative humidity is a percentage; a value outside 0 to 100 is a placeholder or in another unit.",
        min_value=0,
        max_value=100,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "apparent_temperature",
        "Wind and humidity add at most about 20 degrees Celsius to the temperature's range; a value beyond is wrong.",
        min_value=-80,
        max_value=80,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "precipitation",
        "The highest value ever measured is about 400 mm in an hour; a negative value is a placeholder.",
        min_value=0,
        max_value=400,
        strict_max=True,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "rain",
        "Rain is part of the precipitation (mm per hour); a value outside its limits is wrong, and so are its sums.",
        min_value=0,
        max_value=400,
        strict_max=True,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "snowfall",
        "More than 50 cm of snow in an hour has never been measured, so such a value is in another unit.",
        min_value=0,
        max_value=50,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "wind_speed_10m",
        "Wind above 410 km/h has never been measured, so such a value is in another unit.",
        min_value=0,
        max_value=410,
    ),
    _CODE_OUTSIDE_TABLE.row_warning,
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "weather_code",
        "Open-Meteo does not document this code, so the marts have no weather condition for it.",
        value_set=KNOWN_CODES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "apparent_minus_actual",
        "Wind and humidity change the temperature by at most about 20 degrees; more means mixed-up variables.",
        min_value=-20,
        max_value=20,
        mostly=0.99,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "precipitation_minus_parts",
        "Precipitation is rain plus melted snow (cm / 0.7 = mm); if they differ beyond rounding, a unit is wrong.",
        min_value=-0.5,
        max_value=0.5,
        mostly=0.98,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "measures_answered",
        "Hours without any value are usually too recent for the archive; rides have no weather until a later load.",
        min_value=1,
        mostly=0.9,
    ),
)

CHECKS = (
    Check(
        "rows",
        _ROWS,
        _ROW_EXPECTATIONS,
        observed=frozenset({*MEASURES, "degrees_to_grid_cell", "apparent_minus_actual", "precipitation_minus_parts"}),
    ),
    Check(
        "shares",
        _SHARES,
        (_CODE_OUTSIDE_TABLE.share_limit,),
        observed=frozenset({_CODE_OUTSIDE_TABLE.share_column}),
    ),
    Check(
        "days",
        _DAYS,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "hours_missing",
                "The rides of an hour that the provider left out have no weather; no number becomes wrong.",
                max_value=0,
            ),
        ),
        observed=frozenset({"hours_missing"}),
    ),
    Check(
        "range",
        _RANGE,
        (
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "missing_share",
                "A day that misses an hour has no daily mean; with over a tenth of the hours missing, three days of a"
                " month, the answer is incomplete and has to be requested again.",
                max_value=0.1,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "places",
                "The warehouse contains the weather of one place; a second place would double every ride.",
                max_value=1,
            ),
        ),
        observed=frozenset({"missing_share", "places"}),
    ),
    Check(
        "variables",
        _VARIABLES,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "null_share",
                "A variable that is present at all has a value for every hour except in the latest days.",
                max_value=0.05,
            ),
        ),
        observed=frozenset({"null_share"}),
    ),
)
