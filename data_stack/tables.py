"""What the published tables mean: descriptions, grain, columns, lineage and freshness, published with the data.

The transform writes the descriptions beside the build (`keep_descriptions`); publishing copies them into `ops.tables`
and `ops.columns`, so that they change and roll back with the data. `describe_tables` reads them for a reader.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from data_stack.duck import connect_duckdb
from data_stack.errors import NotFoundError, TerminalError
from data_stack.publications import Publication, find_publication
from data_stack.settings import Settings
from data_stack.sql_door.access import Readable, Reader, attach_published

_TABLES = {
    "table_name": "varchar",
    "description": "varchar",
    "grain": "varchar",
    "sources": "varchar[]",
    "upstream": "varchar[]",
    "is_personal": "boolean",
}
_COLUMNS = {"table_name": "varchar", "column_name": "varchar", "description": "varchar"}


@dataclass(frozen=True)
class TableDescription:
    """What the dbt project says of a table that is published.

    Attributes:
        table_name: `schema.table`.
        description: What its rows are.
        grain: What one row is.
        sources: Names of the sources whose data is in it.
        upstream: Published tables that it is computed from, `schema.table`.
        is_personal: Whether it has data of a source with personal columns.
        columns: Descriptions by column.
    """

    table_name: str
    description: str
    grain: str
    sources: tuple[str, ...]
    upstream: tuple[str, ...]
    is_personal: bool
    columns: dict[str, str]


class ColumnInfo(BaseModel):
    """A column of a published table.

    Attributes:
        name: As in a statement.
        type: Of DuckDB.
        description: What it means; empty for the tables of `ops`.
        is_personal: Whether its values are personal.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    description: str = ""
    is_personal: bool = False


class SourceFreshness(BaseModel):
    """How recent the data of a source is.

    Attributes:
        source_name: Which source.
        data_through: The last day with data.
        loaded_at_utc: When its latest rows were loaded.
    """

    model_config = ConfigDict(frozen=True)

    source_name: str
    data_through: date | None
    loaded_at_utc: datetime | None


class TableInfo(BaseModel):
    """A published table.

    Attributes:
        name: `schema.table`.
        description: What its rows are; empty for the tables of `ops`.
        grain: What one row is.
        rows: How many it has; None for the tables of `ops`.
        columns: Those that the reader sees, in their order.
        upstream: Published tables that it is computed from.
        downstream: Published tables that are computed from it.
        freshness: Of the sources whose data is in it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    description: str = ""
    grain: str = ""
    rows: int | None = None
    columns: tuple[ColumnInfo, ...]
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    freshness: tuple[SourceFreshness, ...] = ()


def keep_descriptions(settings: Settings, tables: Iterable[TableDescription]) -> None:
    """Keep the descriptions beside the build that they belong to.

    Args:
        settings: Where the build is.
        tables: The tables of `core` and `marts`.
    """
    _descriptions_file(settings).write_text(json.dumps([asdict(table) for table in tables]), encoding="utf-8")


def copy_descriptions(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Write the descriptions into a file that is about to be published, as `ops.tables` and `ops.columns`.

    Args:
        db: The file, open for writing, with its schema `ops`.
        settings: Where the build is.
    """
    file = _descriptions_file(settings)
    # a build of an earlier version has none: readers who see only what is described see nothing then
    tables = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    columns = [
        {"table_name": table["table_name"], "column_name": name, "description": description}
        for table in tables
        for name, description in table["columns"].items()
    ]
    _insert(db, "ops.tables", _TABLES, tables)
    _insert(db, "ops.columns", _COLUMNS, columns)


def describe_tables(warehouse: Path, reader: Reader, table: str | None = None) -> list[TableInfo]:
    """The tables that a reader may see, as they are published now.

    Args:
        warehouse: `Settings.warehouse_file`.
        reader: Who asks.
        table: Only this one, `schema.table`.

    Returns:
        The tables by name.

    Raises:
        NotFoundError: There is no such table for this reader; names near ones.
        TerminalError: Nothing has been published yet, or an earlier version published it.
    """
    publication = find_publication(warehouse)
    if publication is None:
        raise TerminalError(
            f"there is no published warehouse at {warehouse}; `make demo` or `data-stack run` publishes one"
        )
    with connect_duckdb() as db:
        readable = attach_published(db, str(warehouse), reader)
        if table is not None and table not in readable.tables:
            raise NotFoundError(readable.explain(table))
        columns = _read_columns(db, readable)
        described = _read_descriptions(db)
    names = [table] if table else sorted(columns)
    return [_build_info(name, described, columns, publication) for name in names]


def _read_columns(db: duckdb.DuckDBPyConnection, readable: Readable) -> dict[str, list[ColumnInfo]]:
    """The columns that a reader sees, by table."""
    found: dict[str, list[ColumnInfo]] = {}
    texts = {(table, column): text for table, column, text in _fetch_if_published(db, "columns")}
    for table, column, data_type in db.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = 'warehouse' and not internal order by schema_name, table_name, column_index"
    ).fetchall():
        info = ColumnInfo(
            name=column,
            type=data_type,
            description=texts.get((table, column), ""),
            is_personal=column in readable.tables[table],
        )
        found.setdefault(table, []).append(info)
    return found


def _read_descriptions(db: duckdb.DuckDBPyConnection) -> dict[str, TableDescription]:
    return {
        name: TableDescription(name, description, grain, tuple(sources), tuple(upstream), is_personal, {})
        for name, description, grain, sources, upstream, is_personal in _fetch_if_published(db, "tables")
    }


def _fetch_if_published(db: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    """Rows of a table of `ops` that publications of earlier versions do not have."""
    try:
        return db.execute(f"from published.ops.{table}").fetchall()
    except duckdb.CatalogException:
        return []


def _build_info(
    name: str,
    described: Mapping[str, TableDescription],
    columns: Mapping[str, list[ColumnInfo]],
    publication: Publication,
) -> TableInfo:
    own = described.get(name) or TableDescription(name, "", "", (), (), False, {})
    return TableInfo(
        name=name,
        description=own.description,
        grain=own.grain,
        rows=publication.tables.get(name),
        columns=tuple(columns[name]),
        # a reader learns no names of tables that it does not see
        upstream=tuple(other for other in own.upstream if other in columns),
        downstream=tuple(other for other, found in described.items() if name in found.upstream and other in columns),
        freshness=tuple(
            SourceFreshness(
                source_name=state.source.name, data_through=state.data_through, loaded_at_utc=state.loaded_at_utc
            )
            for state in publication.sources
            if state.source.name in own.sources
        ),
    )


def _descriptions_file(settings: Settings) -> Path:
    return settings.build_dir / "tables.json"


def _insert(db: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], rows: Sequence[object]) -> None:
    definitions = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    db.execute(f"create table {table} ({definitions})")
    # in one statement, because DuckDB inserts only some thousand rows per second one by one
    db.execute(
        f"insert into {table} select record.* from (select unnest(from_json(?, ?)) as record)",
        [json.dumps(rows), json.dumps([columns])],
    )
