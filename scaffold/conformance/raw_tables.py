"""Empty raw tables of a source, made from its reader, so that SQL can be bound without data."""

from collections.abc import Sequence

import duckdb

from dlt_pipeline.tables import RawTable

# what dlt adds to a raw file
_DLT_LOADS = "load_id varchar, schema_name varchar, status bigint, inserted_at timestamp, schema_version_hash varchar"


def create_empty_tables(
    db: duckdb.DuckDBPyConnection, tables: Sequence[RawTable], without: tuple[str, str] | None = None
) -> None:
    """Create the raw tables of a source in the current database.

    Args:
        db: The connection.
        tables: Tables of the reader.
        without: A table and one of its columns to leave out.
    """
    db.execute("create schema if not exists raw")
    db.execute(f"create or replace table raw._dlt_loads ({_DLT_LOADS})")
    for table in tables:
        names = [name for name in table.schema.names if (table.name, name) != without]
        empty = table.schema.empty_table().select(names)  # noqa: F841
        db.execute(f"create or replace table raw.{table.name} as select *, null::varchar as _dlt_load_id from empty")
