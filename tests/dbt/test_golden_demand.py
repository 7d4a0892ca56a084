"""The marts of rides and weather of the golden data, compared with values computed by hand."""

from datetime import date, datetime

from dbt_support import rows

from data_stack.settings import Settings


def test_daily_demand(golden: Settings) -> None:
    found = rows(
        golden,
        "select date_local, trips, member_trips, casual_trips, avg_duration_minutes, temperature_c_mean,"
        " precipitation_mm, weather_hours, is_weather_complete, is_complete from marts.mart_demand_daily"
        " where trips > 0 order by 1",
    )
    assert found == [
        # 10 and 30 minutes; the third ride ends before it starts and its kind of rider is unknown
        (date(2024, 3, 4), 3, 1, 1, 20.0, None, None, 1, False, True),
        # two quarters of an hour; mean of 0 .. 22 is 11; 23 hours of 0.1 mm
        (date(2024, 3, 10), 2, 2, 0, 15.0, 11.0, 2.3, 23, True, True),
        (date(2024, 3, 11), 4, 4, 0, 10.0, None, None, 1, False, True),
        # 900.5 s / 60 = 15.00833...
        (date(2024, 3, 18), 1, 1, 0, 15.0083, None, None, 1, False, True),
        (date(2024, 3, 20), 2, 2, 0, 30.0, None, None, 0, False, True),
        # no file covers October: a stray ride
        (date(2024, 10, 31), 1, 1, 0, 20.0, None, None, 0, False, False),
        # 30, 20 and 20 minutes: 23.33; (12.5 + 24 * 12) / 25 = 12.02; the precipitation of one hour is not known
        (date(2024, 11, 3), 3, 3, 0, 23.3333, 12.02, None, 25, False, True),
        # the file is cut by end, and December is not loaded
        (date(2024, 11, 30), 1, 1, 0, 30.0, None, None, 0, False, False),
    ]


def test_daily_demand_has_covered_days_and_days_outside_coverage(golden: Settings) -> None:
    found = rows(
        golden,
        "select date_trunc('month', date_local)::date, count(*), count(*) filter (where trips = 0),"
        " count(*) filter (where is_complete) from marts.mart_demand_daily group by 1 order by 1",
    )
    # rides on 5 days of March, on the 3rd and the 30th of November; the 30th is not complete
    assert found == [
        (date(2024, 3, 1), 31, 26, 31),
        (date(2024, 10, 1), 1, 0, 0),
        (date(2024, 11, 1), 30, 28, 29),
    ]


def test_hourly_demand_has_every_covered_hour(golden: Settings) -> None:
    found = rows(
        golden,
        "select date_trunc('month', date_local)::date, count(*), sum(trips)::int, min(hour_utc), max(hour_utc),"
        " count(*) filter (where is_complete) from marts.mart_demand_hourly group by 1 order by 1",
    )
    assert found == [
        # 31 * 24 - 1 hours, from 00:00 EST to 23:00 EDT
        (date(2024, 3, 1), 743, 12, datetime(2024, 3, 1, 5), datetime(2024, 4, 1, 3), 743),
        # the hour of the stray ride, 23:50 EDT
        (date(2024, 10, 1), 1, 1, datetime(2024, 11, 1, 3), datetime(2024, 11, 1, 3), 0),
        # 30 * 24 + 1 hours; the 24 of the last day are not complete
        (date(2024, 11, 1), 721, 4, datetime(2024, 11, 1, 4), datetime(2024, 12, 1, 4), 697),
    ]


def test_hours_of_the_daylight_saving_time_changes(golden: Settings) -> None:
    found = rows(
        golden,
        "select hour_utc, hour_local, trips, temperature_c, precipitation_mm, condition, precipitation_kind"
        " from marts.mart_demand_hourly where hour_utc between '2024-03-10 05:00:00' and '2024-03-10 08:00:00'"
        " or hour_utc between '2024-11-03 04:00:00' and '2024-11-03 07:00:00' order by 1",
    )
    assert found == [
        # the snowfall counts, whatever the condition
        (datetime(2024, 3, 10, 5), datetime(2024, 3, 10, 0), 0, 0.0, 0.1, "cloudy", "snow"),
        (datetime(2024, 3, 10, 6), datetime(2024, 3, 10, 1), 1, 1.0, 0.1, "cloudy", "light"),
        (datetime(2024, 3, 10, 7), datetime(2024, 3, 10, 3), 1, 2.0, 0.1, "cloudy", "light"),
        (datetime(2024, 3, 10, 8), datetime(2024, 3, 10, 4), 0, 3.0, 0.1, "cloudy", "light"),
        (datetime(2024, 11, 3, 4), datetime(2024, 11, 3, 0), 0, 12.5, None, "clear", None),
        (datetime(2024, 11, 3, 5), datetime(2024, 11, 3, 1), 2, 12.0, 0.0, "clear", "dry"),
        (datetime(2024, 11, 3, 6), datetime(2024, 11, 3, 1), 0, 12.0, 0.0, "clear", "dry"),
        (datetime(2024, 11, 3, 7), datetime(2024, 11, 3, 2), 1, 12.0, 0.0, "clear", "dry"),
    ]


def test_weather_effect(golden: Settings) -> None:
    found = rows(golden, "select * from marts.mart_weather_effect order by condition, temperature_band")
    # dry hours: Mondays at 8 with 2 and 4 rides, mean 3; Sunday 3 November from 01:00 on: at 1 twice, with 2 and 0
    # rides, mean 1; at 2 with 1 ride; from 3 to 23 none
    assert found == [
        # the two dry Mondays at 8: (2 - 3) + (4 - 3)
        ("clear", "0 to 10", 2, 6, 3.0, 0.0, 2),
        # 24 hours of 3 November (the first has no known precipitation): (2 - 1) + (0 - 1) + (1 - 1) + 21 * 0
        ("clear", "10 to 20", 24, 3, 0.125, 0.0, 24),
        # Sunday 10 March, 0 to 9 degrees: the hour at 0 has no dry one to compare with; at 1: 1 - 1; at 3: 1 - 0;
        # seven more without a ride: 1 / 9
        ("cloudy", "0 to 10", 10, 2, 0.2, 0.1111, 9),
        ("cloudy", "10 to 20", 10, 0, 0.0, 0.0, 10),
        ("cloudy", "20 to 30", 3, 0, 0.0, 0.0, 3),
        # the rainy Monday at 8: 1 - 3
        ("rain", "0 to 10", 1, 1, 1.0, -2.0, 1),
    ]


def test_hours_are_compared_with_dry_ones(golden: Settings) -> None:
    found = rows(
        golden,
        "select hour_utc, hour_local, hour_of_day, weekday, temperature_band, is_dry, trips, expected_trips,"
        " difference, trips_to_expected from marts.mart_demand_weather_hourly"
        " where weekday = 1 or hour_utc between '2024-03-10 05:00:00' and '2024-03-10 07:00:00'"
        " or hour_utc between '2024-11-03 04:00:00' and '2024-11-03 08:00:00' order by 1",
    )
    expected = [
        # the dry Mondays at 8 have 2 and 4 rides, mean 3
        ("2024-03-04 13:00", "2024-03-04 08:00", 8, 1, "0 to 10", True, 2, 3, -1, 0.6667),
        # no dry Sunday at 0 (the first hour of 3 November has no known precipitation); at 1 they have 2 and 0, mean 1;
        # at 3 none, which divides nothing
        ("2024-03-10 05:00", "2024-03-10 00:00", 0, 7, "0 to 10", False, 0, None, None, None),
        ("2024-03-10 06:00", "2024-03-10 01:00", 1, 7, "0 to 10", False, 1, 1, 0, 1.0),
        ("2024-03-10 07:00", "2024-03-10 03:00", 3, 7, "0 to 10", False, 1, 0, 1, None),
        ("2024-03-11 12:00", "2024-03-11 08:00", 8, 1, "0 to 10", True, 4, 3, 1, 1.3333),
        ("2024-03-18 12:00", "2024-03-18 08:00", 8, 1, "0 to 10", False, 1, 3, -2, 0.3333),
        # the hour from 01:00 twice, each compared with the mean of both
        ("2024-11-03 05:00", "2024-11-03 01:00", 1, 7, "10 to 20", True, 2, 1, 1, 2.0),
        ("2024-11-03 06:00", "2024-11-03 01:00", 1, 7, "10 to 20", True, 0, 1, -1, 0.0),
        ("2024-11-03 07:00", "2024-11-03 02:00", 2, 7, "10 to 20", True, 1, 1, 0, 1.0),
        ("2024-11-03 08:00", "2024-11-03 03:00", 3, 7, "10 to 20", True, 0, 0, 0, None),
    ]
    assert found == [
        (datetime.fromisoformat(utc), datetime.fromisoformat(local), *rest) for utc, local, *rest in expected
    ]
    # 3 Mondays, 23 hours of the spring day, 25 of the autumn day less the one without a known precipitation
    assert rows(golden, "select count(*) from marts.mart_demand_weather_hourly") == [(50,)]


def test_kinds_of_precipitation(golden: Settings) -> None:
    found = rows(
        golden,
        "select precipitation_kind, is_dry, count(*), sum(trips)::int from marts.mart_demand_weather_hourly"
        " group by all order by 1",
    )
    # two Mondays and 24 hours of the autumn day; the rainy Monday and 22 hours of the spring day; its first is snow
    assert found == [("dry", True, 26, 9), ("light", False, 23, 3), ("snow", False, 1, 0)]
