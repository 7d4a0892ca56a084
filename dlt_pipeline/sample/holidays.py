"""Sample holidays: those of the United States by rule, for any year, in the format of Nager.Date's API."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from data_stack.errors import TerminalError
from dlt_pipeline.sample.source import JSON_TYPE, Response, SampleSource
from dlt_pipeline.sample.spec import SampleSpec

COUNTRY = "US"

_PATH = re.compile(r"/api/v3/PublicHolidays/([0-9]{4})/([A-Z]{2})")
_MONDAY, _THURSDAY = 0, 3


@dataclass(frozen=True)
class Rule:
    """A holiday and when it is: on a fixed day, or on the n-th weekday of a month.

    Attributes:
        name: Its name.
        month: Its month.
        day: The fixed day of the month; 0 if it is on a weekday.
        weekday: The weekday, 0 (Monday) to 6.
        nth: Which of these weekdays of the month; -1 is the last one.
        counties: States where it is a holiday; none means nationwide.
        kind: Its type.
        launch_year: Its first year, as the API gives it.
    """

    name: str
    month: int
    day: int = 0
    weekday: int = _MONDAY
    nth: int = 1
    counties: tuple[str, ...] = ()
    kind: str = "Public"
    launch_year: int | None = None

    def find_date(self, year: int) -> date:
        """The day of the holiday in a year."""
        if self.day:
            return date(year, self.month, self.day)
        first = date(year, self.month, 1)
        days = [first + timedelta(days=number) for number in range(31)]
        return [day for day in days if day.month == self.month and day.weekday() == self.weekday][
            self.nth - (self.nth > 0)
        ]

    def describe(self, year: int) -> dict[str, Any]:
        """The entry of the API for a year."""
        return {
            "date": self.find_date(year).isoformat(),
            "localName": self.name,
            "name": self.name,
            "countryCode": COUNTRY,
            "fixed": False,
            "global": not self.counties,
            "counties": list(self.counties) or None,
            "launchYear": self.launch_year,
            "types": [self.kind],
        }


# two entries have the same date and name, and two other ones the same date
RULES = (
    Rule("New Year's Day", 1, day=1),
    Rule("Martin Luther King, Jr. Day", 1, nth=3),
    Rule("Lincoln's Birthday", 2, day=12, counties=("US-CA", "US-CT", "US-IL", "US-NY")),
    Rule("Lincoln's Birthday", 2, day=12, counties=("US-TX",), kind="Optional"),
    Rule("Presidents Day", 2, nth=3),
    Rule("Memorial Day", 5, nth=-1),
    Rule("Juneteenth National Independence Day", 6, day=19, launch_year=2021),
    Rule("Independence Day", 7, day=4),
    Rule("Labor Day", 9, nth=1),
    Rule("Columbus Day", 10, nth=2, counties=("US-AL", "US-AZ", "US-CO", "US-NJ", "US-NY")),
    Rule("Indigenous Peoples' Day", 10, nth=2, counties=("US-AK", "US-CA", "US-HI", "US-NM")),
    Rule("Veterans Day", 11, day=11),
    Rule("Thanksgiving Day", 11, weekday=_THURSDAY, nth=4),
    Rule("Christmas Day", 12, day=25),
)


class HolidaysApi(ABC):
    """Finds the documents of the API."""

    @abstractmethod
    def find_document(self, year: int, country: str) -> bytes | None:
        """The document of a year and country; None: the API knows no such document."""


class GeneratedHolidays(HolidaysApi):
    """The holidays by rule; the sample knows one country."""

    def find_document(self, year: int, country: str) -> bytes | None:
        """See `HolidaysApi.find_document`."""
        if country != COUNTRY:
            return None
        entries = [rule.describe(year) for rule in RULES if year >= (rule.launch_year or 0)]
        return json.dumps(entries, ensure_ascii=False).encode()


class StoredHolidays(HolidaysApi):
    """Stored documents of the real API.

    Args:
        folder: Contains one file per year and country, such as `US-2024.json`.

    Raises:
        TerminalError: The folder has no such file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not any(folder.glob("[A-Z][A-Z]-[0-9][0-9][0-9][0-9].json")):
            raise TerminalError(f"{folder} has no document of holidays such as US-2024.json; name another folder")

    def find_document(self, year: int, country: str) -> bytes | None:
        """See `HolidaysApi.find_document`."""
        path = self.folder / f"{country}-{year}.json"
        return path.read_bytes() if path.is_file() else None


class HolidaysSample(SampleSource):
    """The API of holidays in the sample, at `/api/v3/PublicHolidays/<year>/<country>`; it has no files.

    Args:
        api: Finds what it answers.
    """

    name = "holidays"
    url_variable = "HOLIDAYS_BASE_URL"

    def __init__(self, api: HolidaysApi) -> None:
        self.api = api

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """See `SampleSource.write_files`."""

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """See `SampleSource.of_sample`; the holidays are the same for every spec."""
        return cls(GeneratedHolidays())

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        """See `SampleSource.of_stored`: a folder with one document per year and country."""
        return cls(StoredHolidays(path))

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        """See `SampleSource.answer`."""
        requested = _PATH.fullmatch(path)
        document = self.api.find_document(int(requested[1]), requested[2]) if requested else None
        return None if document is None else Response(200, document, JSON_TYPE)
