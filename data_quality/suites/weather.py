"""Expectations on hourly weather of Open-Meteo's archive; units as the provider names them (degC, %, mm, cm, km/h)."""

import great_expectations.expectations as gxe

from data_quality.check import Check, critical, warning

# the part of WMO table 4677 that Open-Meteo documents
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

# 7 cm of snow are 10 mm of water, says the provider
_ROWS = f"""
with repeated as (
    select place_id, hour_utc, count(*) as copies from raw.hours group by place_id, hour_utc having count(*) > 1
)
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
    weather_code as weather_code_meaning,
    apparent_temperature - temperature_2m as apparent_minus_actual,
    precipitation - rain - snowfall / 0.7 as precipitation_minus_parts,
    {" + ".join(f"({measure} is not null)::int" for measure in MEASURES)} as measures_answered
from raw.hours
left join repeated on hours.place_id = repeated.place_id and hours.hour_utc = repeated.hour_utc
where hours._dlt_load_id = $load_id
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
    critical(gxe.ExpectColumnValuesToNotBeNull, "place_id", "The place asked for is half of the key of an hour."),
    critical(gxe.ExpectColumnValuesToNotBeNull, "hour_utc", "An hour without a time joins no ride."),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "year",
        "The archive begins in 1940; an earlier hour is a time that was read wrongly.",
        min_value=1940,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "copies_of_hour",
        "An hour of a place stands once; a repeated one doubles every ride that joins it.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "seconds_past_the_hour",
        "Rides join weather by the full hour in UTC; an hour at :30 was answered in a zone that is not GMT.",
        min_value=0,
        max_value=0,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "degrees_to_grid_cell",
        "The provider answers with a grid cell beside the place; a cell a degree away is another place.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "temperature_2m",
        "Degrees Celsius at the ground; beyond 60 the answer is in Fahrenheit or a filler.",
        min_value=-60,
        max_value=60,
    ),
    critical(gxe.ExpectColumnValuesToBeBetween, "relative_humidity_2m", "A percentage.", min_value=0, max_value=100),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "apparent_temperature",
        "Degrees Celsius with wind and humidity, which add at most some 20 degrees to the range of the temperature.",
        min_value=-80,
        max_value=80,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "precipitation",
        "Millimetres in an hour; the highest ever measured is about 400, and negative water is a filler.",
        min_value=0,
        max_value=400,
        strict_max=True,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "rain",
        "Millimetres in an hour, a part of the precipitation.",
        min_value=0,
        max_value=400,
        strict_max=True,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "snowfall",
        "Centimetres in an hour; over 50 has not been seen, so the unit is another.",
        min_value=0,
        max_value=50,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "wind_speed_10m",
        "Kilometres an hour; over 410 has not been measured, so the unit is another.",
        min_value=0,
        max_value=410,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "weather_code",
        "WMO table 4677 has the codes 0 to 99; another number is a filler.",
        min_value=0,
        max_value=99,
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "weather_code_meaning",
        "A code that Open-Meteo does not document has no condition in the marts.",
        value_set=KNOWN_CODES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "apparent_minus_actual",
        "Wind and humidity move the felt temperature by at most some 20 degrees; more is a mix-up of variables.",
        min_value=-20,
        max_value=20,
        mostly=0.99,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "precipitation_minus_parts",
        "Precipitation is rain plus the water of the snow (cm / 0.7 = mm); more than rounding apart, a unit is wrong.",
        min_value=-0.5,
        max_value=0.5,
        mostly=0.98,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "measures_answered",
        "Hours without any value are too recent for the archive; they come with a later load.",
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
        "days",
        _DAYS,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "hours_missing",
                "Rides of an hour that the provider left out have no weather; no number becomes wrong: a warning.",
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
                "With over a tenth of the loaded range missing, means of a day are means of what happened to be there.",
                max_value=0.1,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "places",
                "The warehouse has the weather of one place, unique by hour; a second place doubles every ride.",
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
                "A variable that is answered at all is answered for every hour, except the last days of the archive.",
                max_value=0.05,
            ),
        ),
        observed=frozenset({"null_share"}),
    ),
)
