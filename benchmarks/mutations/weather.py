"""Faults in the layers of weather, which was held out when the checks were written."""

from mutations import CORE, DAG, MARTS, NOT_NULL, STG, Mutation

MUTATIONS = (
    Mutation("registry", "key renamed", "data_stack/sources/weather.py", 'key="hour_utc"', 'key="hour"'),
    Mutation("registry", "days of nobody", "data_stack/sources/weather.py", 'days_of="bike"', 'days_of="rides"'),
    Mutation(
        "registry",
        "replaces renamed",
        "data_stack/sources/weather.py",
        '("place_id", "hour_utc")',
        '("place", "hour_utc")',
    ),
    Mutation("reader", "column dropped", "dlt_pipeline/weather.py", '            ("elevation", DOUBLE),\n'),
    Mutation(
        "reader", "key changed", "dlt_pipeline/weather.py", 'key=("place_id", "hour_utc")', 'key=("place_id", "batch")'
    ),
    Mutation(
        "reader",
        "type changed",
        "dlt_pipeline/weather.py",
        'INTEGER if measure == "weather_code" else DOUBLE',
        "DOUBLE",
    ),
    Mutation(
        "suite",
        "key may be null",
        "data_quality/suites/weather.py",
        'critical(gxe.ExpectColumnValuesToNotBeNull, "hour_utc"',
        'warning(gxe.ExpectColumnValuesToNotBeNull, "hour_utc"',
    ),
    Mutation(
        "suite",
        "another column",
        "data_quality/suites/weather.py",
        '        "wind_speed_10m",\n        "Wind',
        '        "wind_speed",\n        "Wind',
    ),
    Mutation(
        "suite",
        "expectation on humidity",
        "data_quality/suites/weather.py",
        '        "relative_humidity_2m",\n        "Relative',
        '        "degrees_to_grid_cell",\n        "Relative',
    ),
    Mutation(
        "suite",
        "copies of another table",
        "data_quality/suites/weather.py",
        "from raw.hours group by place_id",
        "from raw.hour group by place_id",
    ),
    Mutation(
        "dbt source",
        "freshness on no column",
        STG + "_weather__sources.yml",
        "loaded_at_field: inserted_at",
        "loaded_at_field: loaded_at",
    ),
    Mutation(
        "staging", "two columns swapped", STG + "stg_weather__hours.sql", "rain as rain_mm", "rain as rainfall_mm"
    ),
    Mutation("staging", "column dropped", STG + "stg_weather__hours.sql", "        weather_code\n", ""),
    Mutation(
        "staging",
        "column dropped in both",
        STG + "stg_weather__hours.yml",
        "      - name: snowfall_cm\n        data_type: double\n",
    ),
    Mutation(
        "core", "type in contract", CORE + "fct_weather_hourly.yml", "data_type: date\n", "data_type: timestamp\n"
    ),
    Mutation("core", "unique dropped", CORE + "fct_weather_hourly.yml", "          - unique\n"),
    Mutation(
        "core",
        "not_null of the day",
        CORE + "fct_weather_hourly.yml",
        "        data_type: date\n" + NOT_NULL,
        "        data_type: date\n        data_tests:\n",
    ),
    Mutation(
        "core", "unit test of no column", CORE + "fct_weather_hourly_unit_tests.yml", "temperature_c:", "temperature:"
    ),
    Mutation(
        "marts",
        "grain removed",
        MARTS + "mart_weather_effect.yml",
        "    data_tests:\n      - unique_combination:",
        "    data_tests:\n      - dbt_unused:",
    ),
    Mutation("marts", "description of no grain", MARTS + "mart_weather_effect.yml", "One row per", "Weather by"),
    Mutation("marts", "singular test removed", "dbt/tests/assert_weather_effect_adds_up.sql"),
    Mutation("dag", "window not before ingest", DAG, "(source.name, chosen)", "(source.name, {})"),
    Mutation(
        "page",
        "source left out",
        "streamlit_app/app_pages/weather_impact.py",
        'sources=("bike", "weather")',
        'sources=("bike", "wind")',
    ),
    Mutation("page", "column renamed", "streamlit_app/queries/weather_impact.py", "expected_trips", "usual_trips"),
    Mutation("sample", "no variable", "dlt_pipeline/sample/weather.py", '    url_variable = "WEATHER_BASE_URL"\n'),
    Mutation(
        "settings", "default in .env.example", ".env.example", "# WEATHER_LATITUDE=40.7282", "# WEATHER_LATITUDE=0"
    ),
    Mutation("settings", "not in docs", "docs/settings.md", "| `WEATHER_LONGITUDE` |", "| `LONGITUDE` |"),
    Mutation("tests", "cases removed", "tests/sources/weather/cases.py"),
    Mutation("docs", "not in the table of sources", "docs/sources.md", "`core.fct_weather_hourly`", "`core.weather`"),
)
