"""The window of a run: whole days, both ends included.

In which time zone a day begins is the business of each source: New York for the rides, UTC for a provider of UTC days.
"""

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
    """Days from `start` to `end`, both included.

    Raises:
        UsageError: `start` is after `end`.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise UsageError(f"the window starts on {self.start} and ends before that, on {self.end}; swap the dates")

    @classmethod
    def of_month(cls, month: date) -> "Window":
        """The window of one month."""
        return cls(month_of(month), next_month(month) - timedelta(days=1))

    @classmethod
    def parse(
        cls, start: str | None, end: str | None, names: tuple[str, str] = ("start_date", "end_date")
    ) -> "Window | None":
        """The window of two days as text, `2024-01-31`; None where neither is given.

        Args:
            start: First day.
            end: Last day.
            names: How the user calls the two, for messages.

        Raises:
            UsageError: Only one is given, one is no date, or they are swapped.
        """
        if not start and not end:
            return None
        if not start or not end:
            raise UsageError(f"{names[0]} and {names[1]} go together: give both, or none for the latest month")
        try:
            return cls(date.fromisoformat(start), date.fromisoformat(end))
        except ValueError as error:
            raise UsageError(f"the window {start}..{end} has a day that does not exist ({error})") from None

    @classmethod
    def of_interval(cls, start: datetime, end: datetime) -> "Window":
        """The months that end within an interval of a schedule, `end` not included.

        Successive intervals choose each month once, also where they begin in the middle of a month: the interval from
        the 12th of January to the 12th of February is January, whose file is published by then.

        Args:
            start: Aware time at which the interval begins.
            end: Aware time at which the next one begins.

        Raises:
            UsageError: No month ends within it.
        """
        first, behind = (moment.astimezone(NEW_YORK).date() for moment in (start, end))
        first_month, last_month = month_of(first), month_of(behind) - timedelta(days=1)
        if first_month > last_month:
            raise UsageError(f"no month ends from {start} up to {end}; give the days of the window instead")
        return cls(first_month, last_month)

    @classmethod
    def of_last_month(cls) -> "Window":
        """The last month that is over in New York."""
        today = datetime.now(NEW_YORK).date()
        return cls.of_month(month_of(today) - timedelta(days=1))

    def has(self, other: "Window") -> bool:
        """Whether all days of another window are in this one."""
        return self.start <= other.start and other.end <= self.end

    def days(self) -> list[date]:
        """Every day of the window, for a source that loads days."""
        return [self.start + timedelta(days=number) for number in range((self.end - self.start).days + 1)]

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
