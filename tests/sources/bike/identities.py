"""Corruptions of the golden build that the dbt tests of this source must find, by test."""

IDENTITIES = {
    "assert_fct_trips_has_every_ride_once": [
        "delete from core.fct_trips where ride_id = 'mon04_a'",
        "update core.fct_trips set load_id = 'old' where ride_id = 'mon04_a'",
    ],
    "assert_station_flows_add_up": [
        "update marts.mart_station_flow_daily set arrivals = arrivals + 1",
    ],
}
