"""The sources of the platform, in the order in which they run.

A new source is one more entry here and its files, which each module finds by the source's name. Every command and the
Airflow scheduler import this module, so it imports nothing heavy.
"""

from dataclasses import dataclass

from data_stack.errors import UsageError


@dataclass(frozen=True)
class Source:
    """What the platform needs to know about a source without importing its code.

    Attributes:
        name: Identifier used in file names, tables, commands and `meta.source`.
        title: Name for people.
        table: Raw table with the source's rows; every row has its `_dlt_load_id`.
        key: Column whose values are shown in reports as example keys.
        replaces: Columns of the table: a load replaces the earlier rows that have the same values in them.
        fact: Published table of the source; `status` shows its rows and its last day.
        day: Column of the fact with the day.
        has_window: Whether it loads the days of a window; a source without one loads everything that it finds.
        days_of: Source whose default days it loads too, when nobody says which; empty: it has its own.
        personal_columns: Raw columns whose values are never shown, logged or put in Data Docs.
    """

    name: str
    title: str
    table: str
    key: str
    replaces: tuple[str, ...]
    fact: str
    day: str
    has_window: bool = True
    days_of: str = ""
    personal_columns: frozenset[str] = frozenset()

    @property
    def lock(self) -> str:
        """The lock of the raw file: exclusive to write, shared to read."""
        return f"raw-{self.name}"


SOURCES: tuple[Source, ...] = (
    Source(
        "bike",
        "Citi Bike trips",
        table="trips",
        key="ride_id",
        # by month, not by file: the provider renames files when it fixes them
        replaces=("month",),
        fact="core.fct_trips",
        day="date_local",
    ),
    Source(
        "weather",
        "Open-Meteo hourly weather",
        table="hours",
        key="hour_utc",
        replaces=("place_id", "hour_utc"),
        fact="core.fct_weather_hourly",
        day="date_local",
        days_of="bike",
    ),
    Source(
        "transactions",
        "Bank transactions",
        table="transactions",
        key="transaction_id",
        replaces=("batch",),
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
    """The source of a name.

    Raises:
        UsageError: There is no such source; names the existing ones.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise UsageError(f"there is no source {name!r}; the registry knows {', '.join(source_names())}")
