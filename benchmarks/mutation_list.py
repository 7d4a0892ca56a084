"""Faults that are planted in the layers of a source, for `conformance_mutations.py`.

The checks were written with `BIKE` in view; `WEATHER` was held out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A fault in one file.

    Attributes:
        layer: Where it is.
        name: What it is.
        file: Path from the project's folder.
        old: Text that is replaced, once; empty: the file is removed.
        new: What replaces it.
    """

    layer: str
    name: str
    file: str
    old: str = ""
    new: str = ""


_STG, _CORE, _MARTS = "dbt/models/staging/", "dbt/models/core/", "dbt/models/marts/"
_DAG = "airflow/dags/bike_weather_dag.py"
_TO_DATES = (
    "          - relationships:\n              arguments:\n                to: ref('dim_dates')\n"
    "                field: date_local\n"
)
_NOT_NULL = "        data_tests:\n          - not_null\n"

BIKE = (
    Mutation("registry", "key renamed", "data_stack/sources/bike.py", '"ride_id"', '"trip_id"'),
    Mutation("registry", "another key", "data_stack/sources/bike.py", '"ride_id"', '"start_station_id"'),
    Mutation("registry", "table renamed", "data_stack/sources/bike.py", '"trips"', '"rides"'),
    Mutation("registry", "replaces renamed", "data_stack/sources/bike.py", '"month",', '"file_month",'),
    Mutation("registry", "fact renamed", "data_stack/sources/bike.py", "core.fct_trips", "core.fct_rides"),
    Mutation("registry", "another fact", "data_stack/sources/bike.py", "core.fct_trips", "core.fct_weather_hourly"),
    Mutation("registry", "day renamed", "data_stack/sources/bike.py", '"date_local"', '"started_on"'),
    Mutation("reader", "column renamed", "dlt_pipeline/bike.py", '("start_latitude", DOUBLE)', '("start_lat", DOUBLE)'),
    Mutation("reader", "column dropped", "dlt_pipeline/bike.py", '            ("end_station_name", TEXT),\n'),
    Mutation("reader", "column added", "dlt_pipeline/bike.py", '("source_line"', '("gear", TEXT),\n("source_line"'),
    Mutation(
        "reader", "id as number", "dlt_pipeline/bike.py", '("end_station_id", TEXT)', '("end_station_id", INTEGER)'
    ),
    Mutation("reader", "type changed", "dlt_pipeline/bike.py", '("end_latitude", DOUBLE)', '("end_latitude", TEXT)'),
    Mutation(
        "reader", "key changed", "dlt_pipeline/bike.py", 'key=("batch", "ride_id")', 'key=("batch", "source_line")'
    ),
    Mutation("reader", "rejects left out", "dlt_pipeline/bike.py", "FILES, REJECTS, PROVIDER)", "FILES, PROVIDER)"),
    Mutation("reader", "tests removed", "tests/dlt_pipeline/test_bike.py"),
    Mutation(
        "suite",
        "key may be null",
        "data_quality/suites/bike.py",
        '    critical(\n        gxe.ExpectColumnValuesToNotBeNull,\n        "ride_id"',
        '    warning(\n        gxe.ExpectColumnValuesToNotBeNull,\n        "ride_id"',
    ),
    Mutation(
        "suite",
        "copies not checked",
        "data_quality/suites/bike.py",
        '        "copies_in_file",',
        '        "duration_hours",',
    ),
    Mutation(
        "suite",
        "SQL of another check",
        "data_quality/suites/bike.py",
        '        "files",\n        _FILES',
        '        "files",\n        _MONTHS',
    ),
    Mutation(
        "suite",
        "volume dropped",
        "data_quality/suites/bike.py",
        "share_of_months_before,\n    share",
        "share as other,\n    share",
    ),
    Mutation(
        "suite",
        "column renamed in SQL",
        "data_quality/suites/bike.py",
        "    rideable_type,\n    file_month",
        "    bike_type,\n    file_month",
    ),
    Mutation(
        "suite",
        "an oddity dropped",
        "data_quality/suites/bike.py",
        "*(oddity.row_warning for oddity in _ODDITIES)",
        "*(oddity.row_warning for oddity in _ODDITIES[1:])",
    ),
    Mutation("suite", "suite removed", "data_quality/suites/bike.py"),
    Mutation("dbt source", "raw table renamed", _STG + "_bike__sources.yml", "- name: trips", "- name: rides"),
    Mutation("dbt source", "another database", _STG + "_bike__sources.yml", "raw_bike", "raw_weather"),
    Mutation("dbt source", "no freshness", _STG + "_bike__sources.yml", "          loaded_at_field: loaded_at_utc\n"),
    Mutation("staging", "column dropped", _STG + "stg_bike__trips.sql", "        end_latitude,\n"),
    Mutation(
        "staging",
        "column renamed",
        _STG + "stg_bike__trips.sql",
        "        ended_at_local,",
        "        ended_at_local as ended_at,",
    ),
    Mutation(
        "staging",
        "all loads are read",
        _STG + "stg_bike__trips.sql",
        "    where _dlt_load_id in {{ passed_loads('bike') }}\n",
    ),
    Mutation(
        "staging",
        "loads of another source",
        _STG + "stg_bike__trips.sql",
        "passed_loads('bike')",
        "passed_loads('weather')",
    ),
    Mutation(
        "staging",
        "contract's type",
        _STG + "stg_bike__trips.yml",
        "start_latitude\n        data_type: double",
        "start_latitude\n        data_type: varchar",
    ),
    Mutation(
        "staging",
        "contract's column dropped",
        _STG + "stg_bike__trips.yml",
        "      - name: end_longitude\n        data_type: double\n",
    ),
    Mutation(
        "staging",
        "key's test dropped",
        _STG + "stg_bike__trips.yml",
        "data_type: varchar\n" + _NOT_NULL + "      - name: rideable_type",
        "data_type: varchar\n      - name: rideable_type",
    ),
    Mutation("core", "unique dropped", _CORE + "fct_trips.yml", "          - unique\n"),
    Mutation(
        "core",
        "a station's relationship",
        _CORE + "fct_trips.yml",
        "                to: ref('dim_stations')\n",
        "                to: ref('dim_dates')\n",
    ),
    Mutation(
        "core",
        "the day's relationship",
        _CORE + "fct_trips.yml",
        _TO_DATES,
    ),
    Mutation(
        "core",
        "contract not enforced",
        _CORE + "fct_trips.yml",
        "    config:\n",
        "    config:\n      contract: {enforced: false}\n",
    ),
    Mutation("core", "unit tests removed", _CORE + "fct_trips_unit_tests.yml"),
    Mutation("core", "column renamed", _CORE + "fct_trips.sql", "date_local", "day_local"),
    Mutation(
        "marts", "type changed", _MARTS + "mart_station_flow_daily.yml", "data_type: bigint", "data_type: varchar"
    ),
    Mutation(
        "marts",
        "grain dropped",
        _MARTS + "mart_station_flow_daily.yml",
        "      - unique_combination:",
        "      - accepted_values:",
    ),
    Mutation("marts", "singular test removed", "dbt/tests/assert_station_flows_add_up.sql"),
    Mutation("dag", "ingest not before validate", _DAG, "loaded >> checked >> built", "checked >> built"),
    Mutation("dag", "build without validate", _DAG, "loaded >> checked >> built", "loaded >> checked"),
    Mutation("dag", "bike left out", _DAG, "for source in SOURCES:", "for source in SOURCES[1:]:"),
    Mutation("dag", "task renamed", _DAG, 'f"validate_{source.name}"', 'f"check_{source.name}"'),
    Mutation(
        "dag",
        "one failure stops all",
        _DAG,
        "hours=1), trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)",
        "hours=1))",
    ),
    Mutation("page", "page removed", "streamlit_app/app_pages/bike_demand.py"),
    Mutation(
        "page",
        "table renamed",
        "streamlit_app/queries/bike_demand.py",
        '"marts.mart_demand_daily"',
        '"marts.mart_demand"',
    ),
    Mutation("page", "column renamed", "streamlit_app/queries/bike_demand.py", "sum(member_trips)", "sum(members)"),
    Mutation("page", "exposure removed", "dbt/models/exposures/page_stations.yml"),
    Mutation(
        "page",
        "table left out of exposure",
        "dbt/models/exposures/page_stations.yml",
        "      - ref('mart_station_flow_daily')\n",
    ),
    Mutation("sample", "sample removed", "dlt_pipeline/sample/bike.py"),
    Mutation("sample", "another variable", "dlt_pipeline/sample/bike.py", '"BIKE_BASE_URL"', '"BIKE_URL"'),
    Mutation("settings", "not in .env.example", ".env.example", "# BIKE_BASE_URL=", "# BIKE_URL="),
    Mutation("settings", "not in the containers", "docker-compose.yml", "  BIKE_SYSTEM: ", "  BIKE_SYS: "),
    Mutation(
        "settings", "another default", "docs/settings.md", "| `BIKE_SYSTEM` | `jc` |", "| `BIKE_SYSTEM` | `nyc` |"
    ),
    Mutation("tests", "golden rows removed", "tests/sources/bike/golden.py"),
    Mutation(
        "tests",
        "a case removed",
        "tests/sources/bike/cases.py",
        'critical(NOT_NULL, "started_at_local", 1, (RIDE,))',
        'critical(NOT_NULL, "ended_at_local", 1, (RIDE,))',
    ),
    Mutation(
        "tests", "corruption removed", "tests/sources/bike/identities.py", "assert_station_flows_add_up", "of_flows"
    ),
    Mutation("docs", "not in the table of sources", "docs/sources.md", "`core.fct_trips`", "`core.trips`"),
    Mutation("docs", "no section of settings", "docs/settings.md", "## Bike\n", "## Rides\n"),
)

WEATHER = (
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
        _STG + "_weather__sources.yml",
        "loaded_at_field: inserted_at",
        "loaded_at_field: loaded_at",
    ),
    Mutation(
        "staging", "two columns swapped", _STG + "stg_weather__hours.sql", "rain as rain_mm", "rain as rainfall_mm"
    ),
    Mutation("staging", "column dropped", _STG + "stg_weather__hours.sql", "        weather_code\n", ""),
    Mutation(
        "staging",
        "column dropped in both",
        _STG + "stg_weather__hours.yml",
        "      - name: snowfall_cm\n        data_type: double\n",
    ),
    Mutation(
        "core", "type in contract", _CORE + "fct_weather_hourly.yml", "data_type: date\n", "data_type: timestamp\n"
    ),
    Mutation("core", "unique dropped", _CORE + "fct_weather_hourly.yml", "          - unique\n"),
    Mutation(
        "core",
        "not_null of the day",
        _CORE + "fct_weather_hourly.yml",
        "        data_type: date\n" + _NOT_NULL,
        "        data_type: date\n        data_tests:\n",
    ),
    Mutation(
        "core", "unit test of no column", _CORE + "fct_weather_hourly_unit_tests.yml", "temperature_c:", "temperature:"
    ),
    Mutation(
        "marts",
        "grain removed",
        _MARTS + "mart_weather_effect.yml",
        "    data_tests:\n      - unique_combination:",
        "    data_tests:\n      - dbt_unused:",
    ),
    Mutation("marts", "description of no grain", _MARTS + "mart_weather_effect.yml", "One row per", "Weather by"),
    Mutation("marts", "singular test removed", "dbt/tests/assert_weather_effect_adds_up.sql"),
    Mutation("dag", "window not before ingest", _DAG, "(source.name, chosen)", "(source.name, {})"),
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
