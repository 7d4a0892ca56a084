"""The facts and the mart of the golden reports of stations, with values worked out by hand."""

from datetime import date, datetime
from decimal import Decimal

from dbt_support import rows

from data_stack.settings import Settings


def test_reports_hold_until_the_next_one_or_for_an_hour(golden: Settings) -> None:
    assert rows(
        golden,
        "select reported_at_local, valid_until_local, state, is_in_service, bikes, ebikes, docks"
        " from core.fct_station_status where station_id = 'a' order by reported_at_utc",
    ) == [
        (datetime(2024, 3, 9, 23, 30), datetime(2024, 3, 10, 0, 10), "empty", True, 0, 0, 15),
        (datetime(2024, 3, 10, 0, 10), datetime(2024, 3, 10, 0, 30), "available", True, 3, 1, 12),
        (datetime(2024, 3, 10, 0, 30), datetime(2024, 3, 10, 1, 30), "full", True, 15, 5, 0),
        # 08:00 UTC is after the change
        (datetime(2024, 3, 10, 4), datetime(2024, 3, 10, 5), "out of service", False, 0, 0, 0),
    ]


def test_minutes_of_a_station_by_day(golden: Settings) -> None:
    found = rows(
        golden,
        "select station_id, date_local, minutes_in_day, observed_minutes, empty_minutes, full_minutes,"
        " available_minutes, out_of_service_minutes, empty_share, full_share"
        " from marts.mart_station_availability_daily order by 1, 2",
    )
    assert found == [
        ("a", date(2024, 3, 9), 1440, *map(Decimal, (30, 30, 0, 0, 0)), 1.0, 0.0),
        ("a", date(2024, 3, 10), 1380, *map(Decimal, (150, 10, 60, 20, 60)), 0.0667, 0.4),
        # every minute of the 25 hours is observed, and none of the next day
        ("b", date(2024, 11, 3), 1500, *map(Decimal, (1500, 600, 0, 900, 0)), 0.4, 0.0),
    ]
