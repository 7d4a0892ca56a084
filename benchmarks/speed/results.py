"""The figures of earlier measurements, from which the document is written: sizes that take hours are measured once."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.json")
PACKAGES = ("duckdb", "polars", "dlt", "dbt-core", "dbt-duckdb", "great-expectations")


def read_results(file: Path = FILE) -> dict[str, Any]:
    """Everything that was measured: `sizes` by number of rides, and `added_month`, `help` and `others`.

    Args:
        file: Where it is kept.
    """
    return json.loads(file.read_text()) if file.exists() else {"sizes": {}}


def write_results(results: dict[str, Any], file: Path = FILE) -> None:
    """Keep the figures, sorted, so that a new measurement changes few lines.

    Args:
        results: See `read_results`.
        file: Where they are kept.
    """
    file.write_text(json.dumps(_round_figures(results), indent=1, sort_keys=True) + "\n")


def describe_machine() -> dict[str, str]:
    """When and on what a figure was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB of memory, {platform.system()}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "versions": ", ".join([f"Python {platform.python_version()}", *(f"{one} {version(one)}" for one in PACKAGES)]),
    }


def _round_figures(value: Any) -> Any:
    """Milliseconds and whole bytes are more than what is repeatable."""
    if isinstance(value, dict):
        return {name: _round_figures(one) for name, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value
