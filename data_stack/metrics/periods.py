"""Days and periods of a question: where a period begins and ends, and which sentences that needs."""

from datetime import date, timedelta

from data_stack.metrics.query import Grain

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAY = timedelta(days=1)


def begin_of(day: date, grain: Grain) -> date:
    """The first day of the period that a day is in; a week begins on Monday."""
    if grain == "day":
        return day
    if grain == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[grain]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def end_of(day: date, grain: Grain) -> date:
    """The last day of the period that a day is in."""
    first = begin_of(day, grain)
    if grain == "day":
        return first
    if grain == "week":
        return first + timedelta(days=6)
    # 31 days after the first of a month are in the next one, also for quarters and years
    last_month = date(first.year, first.month + _MONTHS[grain] - 1, 1)
    return begin_of(last_month + timedelta(days=31), "month") - DAY


def first_whole(day: date, grain: Grain) -> date:
    """The first day of the first period that begins on the day or after it."""
    first = begin_of(day, grain)
    return first if first == day else end_of(day, grain) + DAY


def last_whole(day: date, grain: Grain) -> date:
    """The last day of the last period that ends on the day or before it."""
    return day if end_of(day, grain) == day else begin_of(day, grain) - DAY


def later(first: date, count: int, grain: Grain) -> date:
    """The first day of a period so many days, weeks, months, ... after the first day of another one."""
    if grain not in _MONTHS:
        return first + timedelta(days=count * (7 if grain == "week" else 1))
    months = first.year * 12 + first.month - 1 + count * _MONTHS[grain]
    return date(months // 12, months % 12 + 1, first.day)
