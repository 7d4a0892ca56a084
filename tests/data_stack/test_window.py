"""Windows: whole months, both ends included, New York days in UTC hours."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_stack.errors import UsageError
from data_stack.window import NEW_YORK, Window

days = st.dates(date(2013, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2024-05-15", "2024-06-10", ["2024-05-01", "2024-06-01"]),
        ("2024-01-31", "2024-01-31", ["2024-01-01"]),
        ("2023-12-31", "2024-01-01", ["2023-12-01", "2024-01-01"]),
    ],
)
def test_dates_choose_whole_months(start: str, end: str, months: list[str]) -> None:
    window = Window(date.fromisoformat(start), date.fromisoformat(end))
    assert [str(month) for month in window.months()] == months


@given(days, days)
def test_months_cover_every_day_and_no_other_month(one: date, other: date) -> None:
    window = Window(min(one, other), max(one, other))
    months = window.months()
    assert months[0] <= window.start
    assert months == sorted(set(months))
    assert (window.end.year, window.end.month) == (months[-1].year, months[-1].month)
    assert len(months) == (window.end.year - window.start.year) * 12 + window.end.month - window.start.month + 1


@pytest.mark.parametrize(
    ("month", "first", "end"),
    [
        (date(2024, 1, 1), datetime(2024, 1, 1, 5), datetime(2024, 2, 1, 5)),
        (date(2024, 3, 1), datetime(2024, 3, 1, 5), datetime(2024, 4, 1, 4)),
        (date(2024, 11, 1), datetime(2024, 11, 1, 4), datetime(2024, 12, 1, 5)),
    ],
)
def test_hours_are_those_of_the_new_york_days(month: date, first: datetime, end: datetime) -> None:
    assert Window.of_month(month).hours_utc() == (first, end)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UsageError, match="starts on 2024-02-01 and ends before that, on 2024-01-01"):
        Window(date(2024, 2, 1), date(2024, 1, 1))


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        # the schedule: from 12th to 12th, at six in New York
        (
            datetime(2024, 1, 12, 6, tzinfo=NEW_YORK),
            datetime(2024, 2, 12, 6, tzinfo=NEW_YORK),
            "2024-01-01..2024-01-31",
        ),
        (
            datetime(2023, 12, 12, 6, tzinfo=NEW_YORK),
            datetime(2024, 1, 12, 6, tzinfo=NEW_YORK),
            "2023-12-01..2023-12-31",
        ),
        # a calendar month, and the end is not in it
        (datetime(2024, 2, 1, tzinfo=NEW_YORK), datetime(2024, 3, 1, tzinfo=NEW_YORK), "2024-02-01..2024-02-29"),
        (datetime(2024, 1, 1, tzinfo=NEW_YORK), datetime(2024, 4, 1, tzinfo=NEW_YORK), "2024-01-01..2024-03-31"),
        # midnight in New York, in UTC
        (datetime(2024, 1, 12, 11, tzinfo=UTC), datetime(2024, 2, 1, 5, tzinfo=UTC), "2024-01-01..2024-01-31"),
    ],
)
def test_an_interval_chooses_the_months_that_end_in_it(start: datetime, end: datetime, window: str) -> None:
    assert str(Window.of_interval(start, end)) == window


def test_an_interval_without_a_month_s_end_is_refused() -> None:
    start = datetime(2024, 1, 12, tzinfo=NEW_YORK)
    with pytest.raises(UsageError, match="no month ends from 2024-01-12.*give the days"):
        Window.of_interval(start, start + timedelta(days=19))
    # the last moment of the month in New York, which is the next month in UTC
    with pytest.raises(UsageError, match="no month ends"):
        Window.of_interval(start, datetime(2024, 2, 1, 4, 59, tzinfo=UTC))


@given(st.dates(date(2020, 1, 1), date(2026, 1, 1)), st.lists(st.integers(1, 70), min_size=2, max_size=8))
def test_intervals_that_follow_each_other_choose_each_month_once(first: date, lengths: list[int]) -> None:
    edges = [datetime(first.year, first.month, first.day, tzinfo=NEW_YORK)]
    for length in lengths:
        edges.append(edges[-1] + timedelta(days=length))
    chosen: list[date] = []
    for start, end in pairwise(edges):
        try:
            chosen += Window.of_interval(start, end).months()
        except UsageError:
            continue
    try:
        whole = Window.of_interval(edges[0], edges[-1]).months()
    except UsageError:
        whole = []
    assert chosen == whole


def test_days_as_text_are_both_or_none() -> None:
    assert Window.parse(None, None) is None
    assert Window.parse("", "") is None
    assert Window.parse("2024-01-31", "2024-02-01") == Window(date(2024, 1, 31), date(2024, 2, 1))
    for start, end, words in (
        ("2024-01-31", None, "go together"),
        (None, "2024-01-31", "go together"),
        ("2024-01-32", "2024-02-01", "a day that does not exist"),
        ("2024-02-01", "2024-01-31", "ends before that"),
    ):
        with pytest.raises(UsageError, match=words):
            Window.parse(start, end)
