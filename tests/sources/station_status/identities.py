"""Corruptions of the golden build that the dbt tests of this source must find, by test."""

IDENTITIES = {
    "assert_station_minutes_add_up": [
        "update marts.mart_station_availability_daily set full_minutes = full_minutes + 1 where station_id = 'a'",
        "delete from marts.mart_station_availability_daily where date_local = '2024-03-09'",
        "update marts.mart_station_availability_daily set minutes_in_day = 1440 where station_id = 'b'",
        "update core.fct_station_status set valid_until_utc = reported_at_utc where station_id = 'b'",
    ],
}
