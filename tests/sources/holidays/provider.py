"""Documents in the format of the holidays' provider, entry by entry."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlt_pipeline.sample.holidays import GeneratedHolidays, HolidaysApi, HolidaysSample


def make_sample(folder: Path) -> HolidaysSample:
    """What the fixture `serve` serves: the holidays of the United States by rule."""
    return HolidaysSample(GeneratedHolidays())


def entry(day: str, name: str, counties: list[str] | None = None, kind: str = "Public", **other: Any) -> dict[str, Any]:
    """An entry of a document; nationwide without counties."""
    return {
        "date": day,
        "localName": name,
        "name": name,
        "countryCode": "US",
        "fixed": False,
        "global": counties is None,
        "counties": counties,
        "launchYear": None,
        "types": [kind],
        **other,
    }


class FixedHolidays(HolidaysApi):
    """Answers the given documents.

    Args:
        documents: The entries of each year; they can be changed between requests.
    """

    def __init__(self, documents: Mapping[int, list[Any]]) -> None:
        self.documents = dict(documents)

    def find_document(self, year: int, country: str) -> bytes | None:
        """See `HolidaysApi.find_document`."""
        return json.dumps(self.documents[year]).encode() if year in self.documents else None
