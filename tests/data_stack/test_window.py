"""Windows: whole months, both ends included, New York days in UTC hours."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_stack.errors import UsageError
from data_stack.window import Window

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
