"""Golden holidays of 2024, on days with rides and on days without."""

from datetime import date
from typing import Any

from raw_builder import build_raw, pass_loads

from data_stack.settings import Settings

# a holiday gives the calendar no day
DAYS: tuple[date, ...] = ()
# the load is from now
FRESHNESS = "pass"


def load_golden(settings: Settings) -> None:
    """Write the rows into the raw file and let their load pass."""
    rows = holidays()
    year = {"year": 2024, "sha256": "golden", "entries": len(rows), "batch": "golden"}
    build_raw(settings, "holidays", {"holidays": rows, "years": [year]}, load_id="1.0")
    pass_loads(settings, ["holidays"])


def holidays() -> list[dict[str, Any]]:
    """Nationwide ones on two Mondays of March, on a Sunday of November and on a day that no source has; others."""
    return [
        # two nationwide names on one day
        _holiday("2024-03-11", "Second Monday"),
        _holiday("2024-03-11", "Bridge Monday"),
        _holiday("2024-03-25", "Last Monday"),
        _holiday("2024-11-03", "Autumn Sunday"),
        _holiday("2024-12-25", "Christmas Day"),
        # of some states, and twice with the same name; and an optional one of the whole country
        _holiday("2024-03-18", "State Monday", is_global=False, counties="US-AL"),
        _holiday("2024-03-18", "State Monday", is_global=False, counties="US-TX", types="Optional"),
        _holiday("2024-03-04", "Optional Monday", types="Optional"),
    ]


def _holiday(day: str, name: str, **other: Any) -> dict[str, Any]:
    row = {
        "year": 2024,
        "date": date.fromisoformat(day),
        "name": name,
        "is_global": True,
        "types": "Public",
        "batch": "golden",
        **other,
    }
    return row | {"holiday_id": f"{day} {name} {row.get('counties')}"}
