"""What the platform needs to know about a source."""

from dataclasses import dataclass


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
        provider_words: Words of the provider that contain the name; a copy of the source has them unchanged.
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
    provider_words: tuple[str, ...] = ()

    @property
    def lock(self) -> str:
        """The lock of the raw file: exclusive to write, shared to read."""
        return f"raw-{self.name}"
