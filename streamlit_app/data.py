"""The only access of the pages to the published warehouse: read-only, bound parameters, cached on the publication."""

from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl
import streamlit as st

from data_stack.errors import TerminalError
from data_stack.held_back import HeldBack, find_held_back
from data_stack.metrics.published import PublishedMetrics
from data_stack.publications import read_publication
from data_stack.warehouse import connect_warehouse

Value = date | str | int | float | bool | list[str] | None
"""Types of the parameters of a query."""

FileVersion = tuple[int, int]
"""Inode and modification time in nanoseconds: a publication is a new file, a rollback restores an earlier one."""


class NothingToShowError(TerminalError):
    """The data of a page is not loaded or not built. This is no failure; the message has the next step."""


class Warehouse:
    """One publication; it stays open and unchanged when a later one is published.

    Args:
        path: `Settings.warehouse_file`.
        version: Version of the file, part of the cache key of every query.
    """

    def __init__(self, path: Path, version: FileVersion) -> None:
        self.db = connect_warehouse(path)
        self.publication = read_publication(self.db)
        self.key = (self.publication.publication_id, version)

    def has(self, table: str) -> bool:
        """Return whether the publication has a table, `schema.table`."""
        return table in self.publication.tables

    @cached_property
    def metrics(self) -> PublishedMetrics:
        """The metrics of the publication, for `figures.py`; what is not published as SQL is not compiled.

        Raises:
            TerminalError: The publication was made by a version without metrics.
        """
        return PublishedMetrics(self.db, compiles=False)

    def fetch(self, sql: str, **parameters: Value) -> pl.DataFrame:
        """Run a query, or return its rows from the cache.

        Args:
            sql: A constant select on `core`, `marts` and `ops`; it refers to the parameters as `$name`.
            parameters: Values by name.
        """
        return _fetch(self, self.key, sql, parameters)

    def find_held_back(self) -> list[HeldBack]:
        """Find which sources were held back when the publication was made, from the same cache."""
        return find_held_back(lambda sql: _fetch(self, self.key, sql, {}).iter_rows(named=True), "ops.")


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
