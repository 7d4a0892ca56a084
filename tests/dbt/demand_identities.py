"""Corruptions of the golden build that the dbt tests of rides and weather must find, by test."""

IDENTITIES = {
    "assert_demand_trips_add_up": [
        "update marts.mart_demand_hourly set casual_trips = 1 where trips = 4",
        "delete from marts.mart_demand_daily where date_local = '2024-03-04'",
    ],
    "assert_covered_days_have_all_hours": [
        "delete from marts.mart_demand_hourly where hour_utc = '2024-03-10 05:00:00'",
        "update marts.mart_demand_daily set is_complete = true",
    ],
    "assert_weather_effect_adds_up": [
        "update marts.mart_weather_effect set hours = hours + 1 where condition = 'rain'",
        "delete from marts.mart_weather_effect where condition = 'rain'",
    ],
    "assert_dry_hours_are_as_expected": [
        "update marts.mart_demand_weather_hourly set difference = difference + 0.001 where trips = 4",
        "update marts.mart_demand_weather_hourly set expected_trips = null, difference = null where trips = 1",
    ],
    "assert_demand_by_rider_adds_up": [
        "delete from marts.mart_demand_by_rider_daily where member_casual = 'unknown'",
        "update marts.mart_demand_by_rider_daily set member_casual = 'member'",
        "update marts.mart_demand_by_rider_daily set is_complete = false where member_casual = 'unknown'",
    ],
    "assert_daily_weather_is_not_doubled": [
        "update marts.mart_demand_daily set weather_hours = weather_hours * 2",
    ],
}
