"""Corruptions of the golden build that the dbt tests of this source must find, by test."""

IDENTITIES = {
    "assert_weather_by_day_adds_up": [
        "update marts.mart_weather_daily set missing_hours = missing_hours + 1",
        "update marts.mart_weather_daily set precipitation_mm = precipitation_mm + 0.1",
        "delete from marts.mart_weather_daily where date_local = (select min(date_local) from core.fct_weather_hourly)",
    ],
}
