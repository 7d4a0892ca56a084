"""The read-only door to the published warehouse, for the command line, pages, notebooks and agents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from data_stack.errors import TerminalError


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file as it is now.

    An in-memory connection attaches it: `duckdb.connect(path)` would hand out the old file's contents in a process that
    still has it open. A publication in between does not disturb: this connection keeps the file it has opened.

    Args:
        path: `Settings.warehouse_file`.

    Yields:
        A connection whose schemas `core`, `marts` and `ops` are those of the file; nothing can be written.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    if not path.exists():
        raise TerminalError(f"there is no published warehouse at {path}; `make demo` or `data-stack run` publishes one")
    with duckdb.connect() as db:
        quoted = str(path).replace("'", "''")
        db.execute(f"attach '{quoted}' as warehouse (read_only)")
        db.execute("use warehouse")
        yield db
