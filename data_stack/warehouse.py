"""The read-only door to the published warehouse, for the command line, pages, notebooks and agents."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.redaction import masking_expressions


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file for the length of a block; see `connect_warehouse`.

    Args:
        path: `Settings.warehouse_file`.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    with connect_warehouse(path) as db:
        yield db


def connect_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published file as it is now, for a reader that keeps it open.

    An in-memory connection attaches it: `duckdb.connect(path)` would return the earlier contents in a process that
    still has the replaced file open. A later publication does not change what this connection sees.

    Args:
        path: `Settings.warehouse_file`.

    Returns:
        A connection whose schemas `core`, `marts` and `ops` are those of the file; nothing can be written. Each cursor
        of it starts with `use warehouse`.

    Raises:
        TerminalError: Nothing has been published yet.
    """
    db = connect_duckdb()
    try:
        _attach(db, path, "warehouse")
        db.execute("use warehouse")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def open_masked_warehouse(path: Path, shown: Collection[str] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file with the values of personal columns hidden, for the length of a block.

    The schemas have views of the same names. This keeps personal values out of what is printed by default; it is no
    barrier against somebody who may read the file.

    Args:
        path: `Settings.warehouse_file`.
        shown: Personal columns that are needed as they are, for example `core.fct_transactions.amount` for sums.

    Raises:
        TerminalError: Nothing has been published yet, or the publication does not say which columns are personal.
    """
    with connect_duckdb() as db:
        _attach(db, path, "published")
        db.execute("attach ':memory:' as warehouse; use warehouse")
        tables: dict[str, dict[str, str]] = {}
        for schema, table in db.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'published'"
        ).fetchall():
            tables[f"{schema}.{table}"] = {}
        if "ops.personal_columns" not in tables:
            raise TerminalError(
                "the publication was made by an earlier version and does not say which columns are personal; "
                "`data-stack run` publishes it again, `--show-personal` shows every column"
            )
        for table, column, data_type in db.execute("from published.ops.personal_columns").fetchall():
            if f"{table}.{column}" not in shown:
                tables[table][column] = data_type
        for schema in {name.split(".")[0] for name in tables}:
            db.execute(f"create schema {schema}")
        for name, hidden in tables.items():
            replace = f"replace ({', '.join(masking_expressions(hidden))})" if hidden else ""
            db.execute(f"create view {name} as select * {replace} from published.{name}")
        yield db


def _attach(db: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    if not path.exists():
        raise TerminalError(f"there is no published warehouse at {path}; `make demo` or `data-stack run` publishes one")
    quoted = str(path).replace("'", "''")
    db.execute(f"attach '{quoted}' as {name} (read_only)")
