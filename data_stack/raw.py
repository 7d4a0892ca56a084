"""Asking a raw file: whoever does holds its lock, `Source.lock`, shared."""

from typing import Any

import duckdb

from data_stack.settings import Settings

_HAS_TABLES = "select count(*) from duckdb_tables() where schema_name = 'raw'"


def has_tables(settings: Settings, name: str) -> bool:
    """Whether the raw file of a source has its tables; a kill during the first load leaves a file without any.

    Args:
        settings: Whose data folder.
        name: Name of the source.
    """
    raw_file = settings.raw_file(name)
    if not raw_file.exists():
        return False
    with duckdb.connect(str(raw_file), read_only=True) as db:
        return _has_tables(db)


def raw_query(settings: Settings, source: str, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Ask a raw file; no rows where it does not exist yet, or has no tables yet.

    Args:
        settings: Whose data folder.
        source: Name of the source.
        sql: A select on the schema `raw`.
        parameters: Values for the placeholders.
    """
    raw_file = settings.raw_file(source)
    if not raw_file.exists():
        return []
    with duckdb.connect(str(raw_file), read_only=True) as db:
        return db.execute(sql, parameters or []).fetchall() if _has_tables(db) else []


def _has_tables(db: duckdb.DuckDBPyConnection) -> bool:
    return db.execute(_HAS_TABLES).fetchall() != [(0,)]
