"""Who may read what of the published file: the tables of each reader, and what it sees of personal columns."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from data_stack.errors import TerminalError
from data_stack.redaction import masking_expressions

Reader = Literal["analyst", "household", "owner", "owner_shown"]
"""Who asks: see `ACCESS`."""


@dataclass(frozen=True)
class Access:
    """What a reader may see.

    Attributes:
        personal_columns: Left out, replaced by pseudonyms and nulls, or shown as they are.
        personal_sources: Whether it reads tables of sources that have personal columns.
        run_records: Tables of `ops` that it reads; None for all.
    """

    personal_columns: Literal["absent", "masked", "shown"]
    personal_sources: bool
    run_records: frozenset[str] | None = None


_RECORDS = frozenset(
    {
        "ops.columns",
        "ops.loads",
        "ops.publication",
        "ops.publications",
        "ops.runs",
        "ops.steps",
        "ops.tables",
        "ops.validations",
    }
)
ACCESS: Mapping[Reader, Access] = {
    # a model of a provider, or a program with a token: nothing of a personal source, not even sums
    "analyst": Access("absent", personal_sources=False, run_records=_RECORDS),
    # a model or a program on this machine
    "household": Access("absent", personal_sources=True, run_records=_RECORDS),
    # the person at the machine, who could open the file: hidden by default from what is printed, shown when asked
    "owner": Access("masked", personal_sources=True),
    "owner_shown": Access("shown", personal_sources=True),
}


@dataclass(frozen=True)
class Readable:
    """What a reader reads of a published file.

    Attributes:
        tables: Columns that are personal by table, `schema.table`; all tables that the reader may read.
        closed: Why the others may not be read, by table.
        access: What the reader may read.
    """

    tables: Mapping[str, Mapping[str, str]]
    closed: Mapping[str, str]
    access: Access = field(repr=False)

    def explain(self, name: str) -> str:
        """Why a table may not be read, and what is near.

        Args:
            name: As the statement has it.
        """
        if name in self.closed:
            return self.closed[name]
        by_table = [other for other in self.tables if other.split(".")[1] == name.split(".")[-1]]
        near = by_table or difflib.get_close_matches(name, self.tables, n=3, cutoff=0.6)
        hint = f"; did you mean {', '.join(near)}?" if near else "; `show tables` lists them"
        return f"there is no table {name}{hint}"

    def find_personal(self, tables: tuple[str, ...], columns: frozenset[str]) -> list[str]:
        """Personal columns of some tables that a statement mentions, as `schema.table.column`."""
        return [f"{table}.{column}" for table in tables for column in self.tables[table] if column in columns]


def attach_published(db: duckdb.DuckDBPyConnection, path: str, reader: Reader) -> Readable:
    """Attach a published file to a connection in memory, whose catalog `warehouse` then has what the reader may read.

    Args:
        db: A new connection in memory; its current catalog becomes `warehouse`.
        path: The published file.
        reader: Who asks.

    Raises:
        TerminalError: The publication was made by an earlier version and does not say what is personal.
    """
    quoted = path.replace("'", "''")
    db.execute(f"attach '{quoted}' as published (read_only)")
    readable = _read_tables(db, ACCESS[reader])
    db.execute("attach ':memory:' as warehouse; use warehouse")
    for schema in dict.fromkeys(name.split(".")[0] for name in readable.tables):
        db.execute(f"create schema {schema}")
    for name, personal in readable.tables.items():
        db.execute(f"create view {name} as select * {_hide(personal, readable.access)} from published.{name}")
    return readable


def _hide(personal: Mapping[str, str], access: Access) -> str:
    if not personal or access.personal_columns == "shown":
        return ""
    if access.personal_columns == "masked":
        return f"replace ({', '.join(masking_expressions(personal))})"
    names = ", ".join(f'"{name}"' for name in personal)
    return f"exclude ({names})"


def _read_tables(db: duckdb.DuckDBPyConnection, access: Access) -> Readable:
    tables: dict[str, dict[str, str]] = {
        f"{schema}.{table}": {}
        for schema, table in db.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'published' order by all"
        ).fetchall()
    }
    if "ops.personal_columns" in tables:
        for table, column, data_type in db.execute("from published.ops.personal_columns order by all").fetchall():
            tables[table][column] = data_type
    elif access.personal_columns != "shown":
        raise TerminalError(
            "the publication was made by an earlier version and does not say which columns are personal; "
            "`data-stack run` publishes it again, `--show-personal` shows every column"
        )
    closed = _find_closed(db, tables, access)
    return Readable({name: columns for name, columns in tables.items() if name not in closed}, closed, access)


def _find_closed(db: duckdb.DuckDBPyConnection, tables: Mapping[str, object], access: Access) -> dict[str, str]:
    """The tables that a reader may not read, with the reason; what is not described is closed too."""
    closed = {
        name: f"{name} is not for this reader"
        for name in tables
        if name.startswith("ops.") and access.run_records is not None and name not in access.run_records
    }
    if access.personal_sources:
        return closed
    if "ops.tables" not in tables:
        raise TerminalError(
            "the publication was made by an earlier version and does not say which tables are of personal sources; "
            "`data-stack run` publishes it again"
        )
    open_tables = {
        name for (name,) in db.execute("select table_name from published.ops.tables where not is_personal").fetchall()
    }
    for name in tables:
        if not name.startswith("ops.") and name not in open_tables:
            closed[name] = f"{name} is of a personal source or not described, and this reader reads neither"
    return closed
