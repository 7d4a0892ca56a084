"""Builds raw files without a provider, for the tests of the layers above ingestion.

The tables come from the sources' own schemas, so a test cannot drift from what ingestion writes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data_stack.loads import find_pending_loads, settle_loads
from data_stack.ops import LoadRecord, LoadState, Ops
from data_stack.registry import SOURCES, get_source
from data_stack.settings import Settings
from dlt_pipeline.reader import find_reader

Rows = Sequence[Mapping[str, Any]]


def build_raw(settings: Settings, source: str, tables: Mapping[str, Rows] | None = None, load_id: str = "1.0") -> Path:
    """Create the raw file of `source` if needed and append rows as one finished load.

    Args:
        settings: Whose `data_dir` is used.
        source: Name in the registry.
        tables: Rows by table; a column that a row leaves out is null.
        load_id: Written into `_dlt_load_id` and `_dlt_loads`.
    """
    path = settings.raw_file(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as db:
        create_raw_tables(db, source)
        for name, rows in (tables or {}).items():
            append(db, source, name, rows, load_id)
        if tables:
            now = datetime.now(UTC).replace(tzinfo=None)
            db.execute("insert into raw._dlt_loads values (?, 'builder', 0, ?, '')", [load_id, now])
    return path


def append(db: duckdb.DuckDBPyConnection, source: str, table: str, rows: Rows, load_id: str) -> None:
    """Append rows to one raw table on an open connection."""
    schema = _schemas(source)[table]
    unknown = {column for row in rows for column in row} - set(schema.names)
    assert not unknown, f"{source}.{table} has no column {unknown}"
    frame = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)  # noqa: F841
    db.execute(f"insert into raw.{table} select *, ? from frame", [load_id])


def pass_loads(settings: Settings, sources: Sequence[str] = tuple(source.name for source in SOURCES)) -> None:
    """Mark every present load as passed and remove what it replaces, as the gate would."""
    ops = Ops(settings)
    for name in sources:
        for load_id in find_pending_loads(settings, ops, get_source(name)):
            ops.record_load("test", LoadRecord(name, load_id, 0, 0, 0, 0))
            ops.decide_load(name, load_id, LoadState.PASSED)
        settle_loads(settings, ops, get_source(name))


def _schemas(source: str) -> dict[str, pa.Schema]:
    return {table.name: table.schema for table in find_reader(source).tables}


def create_raw_tables(db: duckdb.DuckDBPyConnection, source: str) -> None:
    """Create the empty raw tables of a source on an open connection."""
    db.execute("create schema if not exists raw")
    db.execute(
        "create table if not exists raw._dlt_loads"
        " (load_id varchar, schema_name varchar, status bigint, inserted_at timestamp, schema_version_hash varchar)"
    )
    for name, schema in _schemas(source).items():
        empty = schema.empty_table()  # noqa: F841
        db.execute(f"create table if not exists raw.{name} as select *, null::varchar as _dlt_load_id from empty")
