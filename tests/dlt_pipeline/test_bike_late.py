"""Files that come out late: a month that was not there yet is asked for again by later scheduled runs."""

from datetime import date
from pathlib import Path

import pytest
from ingestion import column, load
from providers import Serve
from sources.bike.provider import month_of_rides, write_zip

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.settings import Settings
from data_stack.window import Window

JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)


def publish_month(bucket: Path, month: date) -> None:
    write_zip(bucket, f"JC-{month:%Y%m}-citibike-tripdata.csv.zip", month_of_rides(month, 120, month.month * 1000))


def loaded_months(settings: Settings) -> list[date]:
    return column(settings, "bike", "select distinct month from raw.trips order by 1")


def awaited(settings: Settings) -> list[Window]:
    return Ops(settings).awaited_windows("bike")


def test_a_scheduled_run_waits_for_a_month_and_a_later_one_loads_it(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    publish_month(bucket, JANUARY)
    serve()
    report = load(settings, "bike", "2024-01-01", "2024-02-29", is_scheduled=True)
    assert report.note is not None
    assert "2024-02-01..2024-02-29 is not published yet, so later scheduled runs ask again" in report.note
    assert "lists 2024-01 to 2024-01" in report.note
    assert loaded_months(settings) == [JANUARY]
    assert awaited(settings) == [Window.of_month(FEBRUARY)]

    publish_month(bucket, FEBRUARY)
    publish_month(bucket, MARCH)
    report = load(settings, "bike", "2024-03-01", "2024-03-31", is_scheduled=True)
    assert report.note is None
    assert len(report.fetched) == 2
    assert loaded_months(settings) == [JANUARY, FEBRUARY, MARCH]
    assert awaited(settings) == []


def test_a_month_is_asked_for_again_until_it_is_too_far_back(
    settings: Settings, bucket: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_month(bucket, JANUARY)
    publish_month(bucket, date(2024, 6, 1))
    serve()
    load(settings, "bike", "2024-02-01", "2024-02-29", is_scheduled=True)
    publish_month(bucket, FEBRUARY)
    monkeypatch.setenv("LATE_DAYS_MAX", "92")
    # the last day of February is 93 days before June, and 92 before the last day of May
    bounded = Settings.load()
    assert load(bounded, "bike", "2024-06-01", "2024-06-30", is_scheduled=True).fetched == (
        "JC-202406-citibike-tripdata.csv.zip",
    )
    assert awaited(settings) == [Window.of_month(FEBRUARY)], "it is still shown as missing"
    load(bounded, "bike", "2024-05-31", "2024-05-31", is_scheduled=True)
    assert FEBRUARY in loaded_months(settings)
    assert awaited(settings) == [Window.of_month(date(2024, 5, 1))]


def test_days_that_a_user_asks_for_and_nobody_published_are_an_error(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    publish_month(bucket, JANUARY)
    serve()
    with pytest.raises(TerminalError, match=r"no file of 2024-02 .*lists 2024-01 to 2024-01; choose other days"):
        load(settings, "bike", "2024-01-01", "2024-02-29")
    assert awaited(settings) == []


def test_loading_the_days_by_hand_ends_the_wait(settings: Settings, bucket: Path, serve: Serve) -> None:
    publish_month(bucket, JANUARY)
    serve()
    load(settings, "bike", "2024-02-01", "2024-02-29", is_scheduled=True)
    assert awaited(settings) == [Window.of_month(FEBRUARY)]
    publish_month(bucket, FEBRUARY)
    load(settings, "bike", "2024-02-01", "2024-02-29")
    assert awaited(settings) == []


def test_a_month_before_all_others_is_an_error_in_a_scheduled_run_too(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    publish_month(bucket, MARCH)
    serve()
    with pytest.raises(TerminalError, match="no file of 2024-02"):
        load(settings, "bike", "2024-02-01", "2024-02-29", is_scheduled=True)
