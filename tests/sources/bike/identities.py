"""Corruptions of the golden build that the dbt tests of this source must find, by test."""

IDENTITIES = {
    "assert_fct_trips_has_every_ride_once": [
        "delete from core.fct_trips where ride_id = 'mon04_a'",
        "update core.fct_trips set load_id = 'old' where ride_id = 'mon04_a'",
    ],
    "assert_trips_by_rider_add_up": [
        "delete from marts.mart_demand_by_rider_daily where member_casual = 'unknown'",
        "update marts.mart_demand_by_rider_daily set trips = trips + 1",
    ],
    "assert_station_flows_add_up": [
        "update marts.mart_station_flow_daily set arrivals = arrivals + 1",
    ],
}
