"""Connections to DuckDB that print nothing: by itself it draws a progress bar on standard output after two seconds."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb


def connect_duckdb(path: Path | None = None, read_only: bool = False, **config: Any) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file.

    Args:
        path: The file; None opens a database in memory.
        read_only: Refuse writes.
        config: Settings of DuckDB, such as `memory_limit`.

    Returns:
        The connection, which closes at the end of a `with` block.
    """
    db = duckdb.connect(str(path or ":memory:"), read_only=read_only, config=config)
    # the kernel of a notebook without widgets cannot show one, and DuckDB refuses there to change it
    with suppress(duckdb.InvalidInputException):
        db.execute("set enable_progress_bar = false")
    return db
