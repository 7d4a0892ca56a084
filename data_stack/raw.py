"""Reading a raw file; the caller holds its lock, `Source.lock`, shared."""

from typing import Any

import duckdb

from data_stack.registry import Source
from data_stack.settings import Settings

_HAS_TABLES = "select 1 from duckdb_tables() where schema_name = 'raw' limit 1"


def has_tables(settings: Settings, source: Source) -> bool:
    """Whether the raw file of a source has its tables; a kill during the first load leaves a file without any."""
    return bool(query_raw(settings, source, _HAS_TABLES))


def query_raw(
    settings: Settings, source: Source, sql: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Query a raw file.

    Args:
        settings: Whose data folder.
        source: The source.
        sql: A select on the schema `raw`.
        parameters: Values for the placeholders.

    Returns:
        The rows; none where the file does not exist, or has no tables yet.
    """
    raw_file = settings.raw_file(source.name)
    if not raw_file.exists():
        return []
    with duckdb.connect(str(raw_file), read_only=True) as db:
        return db.execute(sql, parameters or []).fetchall() if db.execute(_HAS_TABLES).fetchall() else []
