"""The read-only door to the published warehouse, for the command line, pages, notebooks and agents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from data_stack.errors import TerminalError


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file as it is now.

    Args:
        path: `Settings.warehouse_file`.

    Yields:
        See `connect_warehouse`; closed at the end of the block.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    with connect_warehouse(path) as db:
        yield db


def connect_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published file as it is now, for a reader that keeps it open.

    An in-memory connection attaches it: `duckdb.connect(path)` would hand out the old file's contents in a process that
    still has it open. A publication in between does not disturb: this connection keeps the file it has opened.

    Args:
        path: `Settings.warehouse_file`.

    Returns:
        A connection whose schemas `core`, `marts` and `ops` are those of the file; nothing can be written. A cursor of
        it begins with `use warehouse`.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    if not path.exists():
        raise TerminalError(f"there is no published warehouse at {path}; `make demo` or `data-stack run` publishes one")
    db = duckdb.connect()
    try:
        quoted = str(path).replace("'", "''")
        db.execute(f"attach '{quoted}' as warehouse (read_only)")
        db.execute("use warehouse")
    except BaseException:
        db.close()
        raise
    return db
