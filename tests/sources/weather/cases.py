"""Cases of the weather suite: each corrupts one thing in the clean raw file."""

from gate_cases import ANY, BETWEEN, IN_SET, NOT_NULL, Case, critical, odd, warning


def hour(assignment: str, where: str = "hour_utc = '2024-01-03 10:00:00'") -> str:
    return f"update raw.hours set {assignment} where {where};"


HOUR = ("2024-01-03 10:00:00",)

CASES = [
    Case("no place", hour("place_id = null"), (critical(NOT_NULL, "place_id", 1, HOUR),)),
    Case(
        "no time",
        hour("hour_utc = null"),
        (
            critical(NOT_NULL, "hour_utc", 1, ("an hour without a time",)),
            warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),
        ),
    ),
    Case(
        "a year before the archive",
        hour("hour_utc = '1939-12-31 10:00:00'"),
        (
            critical(BETWEEN, "year", 1, ("1939-12-31 10:00:00",)),
            critical(BETWEEN, "missing_share", 1, ("1939-12-31 to 2024-01-10",)),
            warning(BETWEEN, "hours_missing", ANY),
        ),
    ),
    Case(
        "a duplicate hour",
        f"insert into raw.hours from raw.hours where hour_utc = '{HOUR[0]}'",
        (critical(BETWEEN, "copies_of_hour", 2, HOUR * 2),),
    ),
    Case(
        "a half hour",
        hour("hour_utc = '2024-01-03 10:30:00'"),
        (
            critical(BETWEEN, "seconds_past_the_hour", 1, ("2024-01-03 10:30:00",)),
            warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),
        ),
    ),
    Case("another grid cell", hour("grid_latitude = 42"), (critical(BETWEEN, "degrees_to_grid_cell", 1, HOUR),)),
    Case("Fahrenheit", hour("temperature_2m = 71"), (critical(BETWEEN, "temperature_2m", 1, HOUR),)),
    Case("too humid", hour("relative_humidity_2m = 101"), (critical(BETWEEN, "relative_humidity_2m", 1, HOUR),)),
    Case(
        "apparent temperature with a placeholder",
        hour("apparent_temperature = -999"),
        (critical(BETWEEN, "apparent_temperature", 1, HOUR),),
    ),
    Case("negative precipitation", hour("precipitation = -0.1"), (critical(BETWEEN, "precipitation", 1, HOUR),)),
    Case("a flood", hour("precipitation = 400"), (critical(BETWEEN, "precipitation", 1, HOUR),)),
    Case("negative rain", hour("rain = -0.1"), (critical(BETWEEN, "rain", 1, HOUR),)),
    Case("snow in millimetres", hour("snowfall = 51"), (critical(BETWEEN, "snowfall", 1, HOUR),)),
    Case("negative wind", hour("wind_speed_10m = -1"), (critical(BETWEEN, "wind_speed_10m", 1, HOUR),)),
    Case(
        "a code outside the table",
        hour("weather_code = 100"),
        (warning(IN_SET, "is_code_outside_table", 1, HOUR), warning(IN_SET, "weather_code", 1, HOUR)),
    ),
    Case(
        "many codes outside the table",
        hour("weather_code = -999", "hour_utc < '2024-01-01 13:00:00'"),
        (
            *odd("is_code_outside_table", 13, "2024-01-01 to 2024-01-10"),
            warning(IN_SET, "weather_code", 13),
        ),
    ),
    Case("an unknown code", hour("weather_code = 4"), (warning(IN_SET, "weather_code", 1, HOUR),)),
    Case(
        "apparent and actual temperature mixed up",
        hour("apparent_temperature = temperature_2m + 21", "hour_utc < '2024-01-01 03:00:00'"),
        (warning(BETWEEN, "apparent_minus_actual", 3, tuple(f"2024-01-01 0{n}:00:00" for n in range(3))),),
    ),
    Case(
        "precipitation that does not add up",
        hour("rain = rain + 1", "hour_utc < '2024-01-01 05:00:00'"),
        (warning(BETWEEN, "precipitation_minus_parts", 5, tuple(f"2024-01-01 0{n}:00:00" for n in range(5))),),
    ),
    Case(
        "hours without any value",
        hour(
            "temperature_2m = null, relative_humidity_2m = null, apparent_temperature = null, precipitation = null,"
            " rain = null, snowfall = null, wind_speed_10m = null, weather_code = null",
            "hour_utc >= '2024-01-09 18:00:00'",
        ),
        (
            warning(BETWEEN, "measures_answered", 30, tuple(f"2024-01-09 {n}:00:00" for n in range(18, 23))),
            warning(BETWEEN, "null_share", 8),
        ),
    ),
    Case(
        "a missing hour",
        f"delete from raw.hours where hour_utc = '{HOUR[0]}'",
        (warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),),
    ),
    Case(
        "a fifth of the hours is missing",
        "delete from raw.hours where hour_utc::date in ('2024-01-04', '2024-01-05')",
        (
            critical(BETWEEN, "missing_share", 1, ("2024-01-01 to 2024-01-10",)),
            warning(BETWEEN, "hours_missing", 2, ("2024-01-04", "2024-01-05")),
        ),
    ),
    Case(
        "a second place",
        hour("place_id = '1.0,1.0'"),
        (critical(BETWEEN, "places", 1, ("2024-01-01 to 2024-01-10",)),),
    ),
    Case(
        "a variable with gaps",
        hour("wind_speed_10m = null", "hour_utc < '2024-01-01 13:00:00'"),
        (warning(BETWEEN, "null_share", 1, ("wind_speed_10m",)),),
    ),
]
