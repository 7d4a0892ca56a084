"""The only access of the pages to the published warehouse: read-only, bound parameters, cached on the publication."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import streamlit as st

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source
from data_stack.warehouse import connect_warehouse

Value = date | str | int | float | bool | list[str] | None
"""Types of the parameters of a query."""

FileVersion = tuple[int, int]
"""Inode and modification time in nanoseconds: a publication is a new file, a rollback restores an earlier one."""

_DESCRIPTION = (
    "select publication_id, published_at_utc, tables, sources"
    " from ops.publications join ops.publication using (publication_id)"
)
_LOADED_AT = (
    "select source, max(loaded_at_utc) from ops.loads"
    " where state in ('passed', 'accepted') and rows_loaded > 0 group by source"
)


class NothingToShowError(TerminalError):
    """The data of a page is not loaded or not built. This is no failure; the message has the next step."""


@dataclass(frozen=True)
class SourceState:
    """The data of a source in a publication.

    Attributes:
        source: The source.
        rows: Number of rows in its fact.
        data_through: The last day in its fact.
        loaded_at_utc: When its latest rows were loaded; None if this is not recorded.
        origin: `live` or `sample`; None if this is not recorded.
    """

    source: Source
    rows: int
    data_through: date | None
    loaded_at_utc: datetime | None
    origin: str | None = None


@dataclass(frozen=True)
class Publication:
    """What the published file records about itself.

    Attributes:
        publication_id: Its identifier.
        published_at_utc: When it was published.
        tables: Rows by table, `schema.table`.
        sources: The sources, in the registry's order.
    """

    publication_id: str
    published_at_utc: datetime
    tables: dict[str, int]
    sources: tuple[SourceState, ...]

    def source(self, name: str) -> SourceState:
        """Return the state of a source."""
        return next(state for state in self.sources if state.source.name == name)


class Warehouse:
    """One publication; it stays open and unchanged when a later one is published.

    Args:
        path: `Settings.warehouse_file`.
        version: Version of the file, part of the cache key of every query.
    """

    def __init__(self, path: Path, version: FileVersion) -> None:
        self.db = connect_warehouse(path)
        self.publication = _describe(self.db)
        self.key = (self.publication.publication_id, version)

    def has(self, table: str) -> bool:
        """Return whether the publication has a table, `schema.table`."""
        return table in self.publication.tables

    def fetch(self, sql: str, **parameters: Value) -> pl.DataFrame:
        """Run a query, or return its rows from the cache.

        Args:
            sql: A constant select on `core`, `marts` and `ops`; it refers to the parameters as `$name`.
            parameters: Values by name.
        """
        return _fetch(self, self.key, sql, parameters)


class _ReplacedError(Exception):
    """There was a publication while the file was opened; exceptions are not cached."""


def open_publication(path: Path) -> Warehouse:
    """Open the current publication; returns the same object until there is a new one.

    Args:
        path: `Settings.warehouse_file`.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    while True:
        try:
            return _open(path, _version(path))
        except _ReplacedError:
            continue


@st.cache_resource(max_entries=2, show_spinner=False)
def _open(path: Path, version: FileVersion | None) -> Warehouse:
    warehouse = Warehouse(path, version or (0, 0))
    if _version(path) != version:
        raise _ReplacedError
    return warehouse


@st.cache_data(max_entries=512, show_spinner=False)
def _fetch(_warehouse: Warehouse, key: tuple[str, FileVersion], sql: str, parameters: dict[str, Value]) -> pl.DataFrame:
    # a separate cursor, because sessions run queries at the same time
    with _warehouse.db.cursor() as cursor:
        cursor.execute("use warehouse")
        return cursor.execute(sql, parameters).pl()


def _version(path: Path) -> FileVersion | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _describe(db: duckdb.DuckDBPyConnection) -> Publication:
    row = db.execute(_DESCRIPTION).fetchone()
    if row is None:
        raise duckdb.CatalogException("the file has no record of its publication")
    loaded_at = dict(db.execute(_LOADED_AT).fetchall())
    described = json.loads(row[3])
    sources = tuple(
        _state(source, described[source.name], loaded_at.get(source.name))
        for source in SOURCES
        if source.name in described
    )
    return Publication(row[0], row[1], json.loads(row[2]), sources)


def _state(source: Source, described: dict[str, Any], loaded_at: datetime | None) -> SourceState:
    through = described["data_through"]
    days = through and date.fromisoformat(through)
    return SourceState(source, described["rows"], days, loaded_at, described.get("origin"))
