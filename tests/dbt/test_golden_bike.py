"""Core and the marts of rides only, of the golden data, compared with values computed by hand."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from dbt_support import rows
from sources.bike.golden import MARCH, NOVEMBER

from data_stack.settings import Settings


@pytest.mark.parametrize(
    ("ride", "start_utc", "end_utc", "seconds", "in_change"),
    [
        # EST is UTC-5, EDT is UTC-4
        ("mon04_a", "2024-03-04 13:00:00", "2024-03-04 13:10:00", "600", False),
        ("mon18_a", "2024-03-18 12:30:00", "2024-03-18 12:45:00.500", "900.5", False),
        # 01:10 is first at 05:10 UTC; both times are taken as the first
        ("autumn_first", "2024-11-03 05:10:00", "2024-11-03 05:40:00", "1800", True),
        # 01:50 is first at 05:50 UTC; 01:10 at 05:10 would be before it, so it is the second, 06:10
        ("autumn_over", "2024-11-03 05:50:00", "2024-11-03 06:10:00", "1200", True),
        # 02:00 occurs once, at 07:00 UTC
        ("autumn_after", "2024-11-03 07:00:00", "2024-11-03 07:20:00", "1200", False),
        # 01:50 EST is 06:50, 03:05 EDT is 07:05: a quarter of an hour
        ("spring_across", "2024-03-10 06:50:00", "2024-03-10 07:05:00", "900", False),
        # 02:30 does not exist and is taken as 03:30 EDT, 07:30 UTC
        ("spring_within", "2024-03-10 07:30:00", "2024-03-10 07:45:00", "900", True),
        ("backward", "2024-03-04 17:00:00", "2024-03-04 16:59:00", "-60", False),
    ],
)
def test_local_time_becomes_utc(
    golden: Settings, ride: str, start_utc: str, end_utc: str, seconds: str, in_change: bool
) -> None:
    found = rows(
        golden,
        "select started_at_utc, ended_at_utc, duration_seconds, is_in_clock_change, is_end_before_start"
        f" from core.fct_trips where ride_id = '{ride}'",
    )
    times = (datetime.fromisoformat(start_utc), datetime.fromisoformat(end_utc))
    assert found == [(*times, Decimal(seconds), in_change, ride == "backward")]


def test_every_ride_is_a_fact(golden: Settings) -> None:
    found = rows(golden, "select ride_id from core.fct_trips order by 1")
    assert [ride for (ride,) in found] == sorted(ride.ride_id for ride in [*MARCH, *NOVEMBER])


def test_demand_by_rider(golden: Settings) -> None:
    found = rows(
        golden,
        "select * from marts.mart_demand_by_rider_daily"
        " where date_local in ('2024-03-04', '2024-03-05', '2024-03-11', '2024-10-31', '2024-11-30') order by 1, 2, 3",
    )
    assert found == [
        # one ride of each kind, one of an unknown kind; 5 March has no ride, so no row
        (date(2024, 3, 4), "casual", "classic_bike", 1, True),
        (date(2024, 3, 4), "member", "classic_bike", 1, True),
        (date(2024, 3, 4), "unknown", "classic_bike", 1, True),
        (date(2024, 3, 11), "member", "classic_bike", 4, True),
        # the stray ride, and the partly covered day
        (date(2024, 10, 31), "member", "classic_bike", 1, False),
        (date(2024, 11, 30), "member", "classic_bike", 1, False),
    ]


def test_station_flow(golden: Settings) -> None:
    found = rows(
        golden,
        "select date_local, station_id, departures, arrivals, net_flow, rank, is_complete"
        " from marts.mart_station_flow_daily where date_local in ('2024-03-04', '2024-03-20', '2024-03-21',"
        " '2024-10-31', '2024-11-01', '2024-11-30') order by 1, 2",
    )
    assert found == [
        # two rides A to B; C is reached by the ride without a start station; A and B are equal, so C is third
        (date(2024, 3, 4), "A", 2, 0, -2, 1, True),
        (date(2024, 3, 4), "B", 0, 2, 2, 1, True),
        (date(2024, 3, 4), "C", 0, 1, 1, 3, True),
        # one over midnight, one that ended at no station
        (date(2024, 3, 20), "B", 2, 0, -2, 1, True),
        (date(2024, 3, 21), "A", 0, 1, 1, 1, True),
        (date(2024, 10, 31), "A", 1, 0, -1, 1, False),
        (date(2024, 11, 1), "B", 0, 1, 1, 1, True),
        (date(2024, 11, 30), "A", 1, 0, -1, 1, False),
        (date(2024, 11, 30), "B", 0, 1, 1, 1, False),
    ]


def test_stations(golden: Settings) -> None:
    assert rows(golden, "select * from core.dim_stations order by 1") == [
        # A is mostly a start (40.72, -74.05), B mostly an end (40.73, -74.04), C an end only
        ("A", "Station A", 40.72, -74.05),
        ("B", "Station B", 40.73, -74.04),
        ("C", "Station C", 40.73, -74.04),
    ]
