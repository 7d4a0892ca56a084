"""The sample's holidays: rules checked against calendars, and stored documents of the real API."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data_stack.errors import TerminalError
from dlt_pipeline.sample.holidays import GeneratedHolidays, HolidaysSample


def ask(sample: HolidaysSample, path: str) -> Any:
    response = sample.answer(f"/api/v3/PublicHolidays/{path}", {})
    assert response is None or isinstance(response.body, bytes)
    return None if response is None else json.loads(response.body)


@pytest.mark.parametrize(("year", "days"), [
    (2024, ["01-01", "01-15", "02-19", "05-27", "06-19", "07-04", "09-02", "11-11", "11-28", "12-25"]),
    (2026, ["01-01", "01-19", "02-16", "05-25", "06-19", "07-04", "09-07", "11-11", "11-26", "12-25"]),
    # Juneteenth is one since 2021
    (2020, ["01-01", "01-20", "02-17", "05-25", "07-04", "09-07", "11-11", "11-26", "12-25"]),
])  # fmt: skip
def test_nationwide_days_are_those_of_the_calendar(year: int, days: list[str]) -> None:
    entries = ask(HolidaysSample(GeneratedHolidays()), f"{year}/US")
    assert [one["date"] for one in entries if one["global"]] == [f"{year}-{day}" for day in days]
    assert all(one["types"] == ["Public"] and one["counties"] is None for one in entries if one["global"])


def test_two_entries_of_one_name_and_two_of_one_date_differ_in_their_counties() -> None:
    entries = ask(HolidaysSample(GeneratedHolidays()), "2024/US")
    parts = [(one["date"], one["name"], one["types"][0], len(one["counties"])) for one in entries if not one["global"]]
    assert parts == [
        ("2024-02-12", "Lincoln's Birthday", "Public", 4),
        ("2024-02-12", "Lincoln's Birthday", "Optional", 1),
        ("2024-10-14", "Columbus Day", "Public", 5),
        ("2024-10-14", "Indigenous Peoples' Day", "Public", 4),
    ]


def test_every_year_has_days_of_that_year() -> None:
    for year in range(1990, 2060):
        found = [date.fromisoformat(one["date"]) for one in ask(HolidaysSample(GeneratedHolidays()), f"{year}/US")]
        assert {day.year for day in found} == {year} and found == sorted(found)


def test_an_entry_has_the_members_of_the_api() -> None:
    (columbus,) = [one for one in ask(HolidaysSample(GeneratedHolidays()), "2024/US") if one["name"] == "Columbus Day"]
    assert columbus == {
        "date": "2024-10-14", "localName": "Columbus Day", "name": "Columbus Day", "countryCode": "US",
        "fixed": False, "global": False, "counties": ["US-AL", "US-AZ", "US-CO", "US-NJ", "US-NY"],
        "launchYear": None, "types": ["Public"],
    }  # fmt: skip


@pytest.mark.parametrize("path", ["2024/DE", "2024", "24/US", "2024/US/more"])
def test_nothing_else_is_there(path: str) -> None:
    assert ask(HolidaysSample(GeneratedHolidays()), path) is None


def test_stored_documents_are_served_by_year_and_country(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"has no document of holidays such as US-2024\.json"):
        HolidaysSample.of_stored(tmp_path)
    (tmp_path / "US-2024.json").write_text('[{"name": "Stored"}]')
    sample = HolidaysSample.of_stored(tmp_path)
    assert ask(sample, "2024/US") == [{"name": "Stored"}]
    assert ask(sample, "2025/US") is ask(sample, "2024/DE") is None
