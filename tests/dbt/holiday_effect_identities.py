"""Corruptions of the golden build that the dbt tests of rides and holidays must find, by test."""

IDENTITIES = {
    "assert_holiday_effect_adds_up": [
        "delete from marts.mart_holiday_effect where date_local = '2024-03-11'",
        "update marts.mart_holiday_effect set trips = trips + 1 where date_local = '2024-11-03'",
        "update marts.mart_holiday_effect set comparison_trips = null where date_local = '2024-03-25'",
        "update marts.mart_holiday_effect set difference = difference + 0.01 where date_local = '2024-03-25'",
    ],
}
