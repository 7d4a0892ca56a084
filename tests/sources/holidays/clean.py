"""A clean raw file of holidays, in copies of which the tests of the gate corrupt one thing: two versions of a year."""

from datetime import date
from typing import Any

from gate_cases import LOAD
from raw_builder import build_raw

from data_stack.settings import Settings

EARLIER = "1.0"
# the earlier load is superseded, so nobody judges it any more
LOADS = (LOAD,)
NATIONWIDE = {
    "2024-01-01": "New Year's Day",
    "2024-01-15": "Martin Luther King, Jr. Day",
    "2024-02-19": "Presidents Day",
    "2024-05-27": "Memorial Day",
    "2024-06-19": "Juneteenth National Independence Day",
    "2024-07-04": "Independence Day",
    "2024-09-02": "Labor Day",
    "2024-11-11": "Veterans Day",
    "2024-11-28": "Thanksgiving Day",
    "2024-12-25": "Christmas Day",
}


def build(settings: Settings) -> None:
    """Write the raw file; the later version adds a holiday of some states."""
    nationwide = [_row(day, name) for day, name in NATIONWIDE.items()]
    columbus = _row("2024-10-14", "Columbus Day", is_global=False, counties="US-AL,US-AZ")
    for load_id, rows in ((EARLIER, nationwide), (LOAD, [*nationwide, columbus])):
        year = {"year": 2024, "sha256": load_id, "entries": len(rows), "batch": load_id}
        build_raw(settings, "holidays", {"holidays": rows, "years": [year]}, load_id)


def _row(day: str, name: str, **other: Any) -> dict[str, Any]:
    return {
        "holiday_id": f"{day} {name}",
        "year": 2024,
        "date": date.fromisoformat(day),
        "name": name,
        "local_name": name,
        "country_code": "US",
        "is_fixed": False,
        "is_global": True,
        "types": "Public",
        **other,
    }
