"""The window of a run: whole days, New York time, both ends included."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from data_stack.errors import UsageError

NEW_YORK = ZoneInfo("America/New_York")


def month_of(day: date) -> date:
    """First day of the month of `day`."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """First day of the month after that of `day`."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class Window:
    """Days from `start` to `end`, both included, in New York.

    Raises:
        UsageError: `start` lies after `end`.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise UsageError(f"the window starts on {self.start} and ends before that, on {self.end}; swap the dates")

    @classmethod
    def of_month(cls, month: date) -> "Window":
        """The window of one whole month."""
        return cls(month_of(month), next_month(month) - timedelta(days=1))

    def months(self) -> list[date]:
        """First days of the months that the window touches; dates choose whole files."""
        months = [month_of(self.start)]
        while next_month(months[-1]) <= self.end:
            months.append(next_month(months[-1]))
        return months

    def hours_utc(self) -> tuple[datetime, datetime]:
        """First hour, and the hour after the last, naive UTC, of the New York days of the window's months."""
        first, last = self.months()[0], next_month(self.months()[-1])
        return _midnight_utc(first), _midnight_utc(last)

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"


def _midnight_utc(day: date) -> datetime:
    """UTC time, naive, at which `day` begins in New York."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC).replace(tzinfo=None)
