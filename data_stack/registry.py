"""The sources of the platform, in the order in which they run.

A new source is one more entry here plus the files that `Source` derives from its name. This module is
imported by every command and by the Airflow scheduler, so it imports nothing heavy.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType

from data_stack.errors import UsageError


@dataclass(frozen=True)
class Source:
    """What the platform needs to know of a source without importing its code.

    Attributes:
        name: Identifier used in file names, tables, commands and `meta.source`.
        title: Words for people.
        table: Raw table that holds the source's rows; every row carries `_dlt_load_id`.
        key: Column that identifies a row in reports (shown as example keys).
        fact: Published table of the source, for `status`: how many rows, through which day.
        day: Its column with the day.
        has_window: Whether it loads the days of a window; one that has none takes everything it finds.
        personal_columns: Raw columns whose values are never shown, logged or put in Data Docs.
    """

    name: str
    title: str
    table: str
    key: str
    fact: str
    day: str
    has_window: bool = True
    personal_columns: frozenset[str] = frozenset()

    @property
    def lock(self) -> str:
        """The resource that whoever opens the raw file holds: alone to write, shared to read."""
        return f"raw-{self.name}"

    def ingestion(self) -> ModuleType:
        """The module that reads the provider, `dlt_pipeline.<name>`."""
        return importlib.import_module(f"dlt_pipeline.{self.name}")

    def suite(self) -> ModuleType:
        """The module that holds the expectations, `data_quality.suites.<name>`."""
        return importlib.import_module(f"data_quality.suites.{self.name}")


SOURCES: tuple[Source, ...] = (
    Source("bike", "Citi Bike trips", table="trips", key="ride_id", fact="core.fct_trips", day="date_local"),
    Source(
        "weather",
        "Open-Meteo hourly weather",
        table="hours",
        key="hour_utc",
        fact="core.fct_weather_hourly",
        day="date_local",
    ),
    Source(
        "transactions",
        "Bank transactions",
        table="transactions",
        key="transaction_id",
        fact="core.fct_transactions",
        day="date",
        has_window=False,
        personal_columns=frozenset({"name", "amount", "tags", "note", "account", "account_mask", "recurring"}),
    ),
)


def source_names() -> list[str]:
    """Names of all sources, in running order."""
    return [source.name for source in SOURCES]


def get_source(name: str) -> Source:
    """Look a source up by name.

    Raises:
        UsageError: There is no such source; names those there are.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise UsageError(f"there is no source {name!r}; the registry knows {', '.join(source_names())}")
