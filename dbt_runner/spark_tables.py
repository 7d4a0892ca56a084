"""The way back from Spark: what a build made there becomes the build file, from which it is published as ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.lake.lake import open_lake
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner.descriptions import is_published
from dbt_runner.spark import connect_spark

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import ModelNode

_PERSONAL_COLUMNS = (
    "create table gate.personal_columns"
    " (table_name varchar, column_name varchar, data_type varchar, is_published boolean)"
)
_LEFT_TABLES = "create table gate.left_tables (table_name varchar, rows bigint, data_through date)"


def fetch_tables(settings: Settings, manifest: "Manifest") -> None:
    """Write the build file from the tables of core and marts on Spark, without the facts that are too large for it.

    Args:
        settings: Whose build file, which Spark, and how many rows are too many.
        manifest: The project that was built.

    Raises:
        TerminalError: The files of a table cannot be read from this machine; names them.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    models = [node for node in manifest.nodes.values() if node.resource_type == "model" and is_published(node)]
    with _replace(settings.build_file) as new, connect_spark(settings) as spark, connect_duckdb(new) as db:
        lake = open_lake(settings)
        if lake:
            lake.store.connect(db)
        for schema in ("core", "marts", "gate"):
            db.execute(f"create schema {schema}")
        db.execute(_PERSONAL_COLUMNS)
        db.execute(_LEFT_TABLES)
        for node in models:
            _fetch_table(settings, spark, db, node)
        spark.execute(f"select * from {settings.spark_schema}_gate.personal_columns")
        for row in spark.fetchall():
            db.execute("insert into gate.personal_columns values (?, ?, ?, ?)", list(row))


def _fetch_table(settings: Settings, spark: Any, db: duckdb.DuckDBPyConnection, node: "ModelNode") -> None:
    name = f"{node.config.schema}.{node.name}"
    spark.execute(f"select count(*) from {node.schema}.{node.name}")
    (rows,) = spark.fetchone()
    # a large fact is incremental, see dbt/CLAUDE.md
    if node.config.materialized == "incremental" and rows > settings.spark_fetch_rows_max:
        db.execute("insert into gate.left_tables values (?, ?, ?)", [name, rows, _find_last_day(spark, node)])
        return
    columns = ", ".join(f"{column.name} {column.data_type}" for column in node.columns.values())
    db.execute(f"create table {name} ({columns})")
    if rows:
        selected = ", ".join(node.columns)
        files = _find_files(spark, f"{node.schema}.{node.name}")
        try:
            db.execute(f"insert into {name} select {selected} from read_parquet('{files}', hive_partitioning = false)")
        except duckdb.IOException:
            raise TerminalError(
                f"{name} was built on Spark, and its files {files} cannot be read from this machine; let SPARK_SCHEMA "
                "be stored in a folder or bucket that both see"
            ) from None


def _find_last_day(spark: Any, node: "ModelNode") -> str | None:
    """The last day of a source's fact, which the publication says of each source."""
    for source in SOURCES:
        if source.fact == f"{node.config.schema}.{node.name}":
            spark.execute(f"select cast(max({source.day}) as string) from {node.schema}.{node.name}")
            (day,) = spark.fetchone()
            return str(day)
    return None


def _find_files(spark: Any, table: str) -> str:
    """Where Spark keeps the files of a table, as DuckDB opens them."""
    spark.execute(f"describe formatted {table}")
    described = {name: value for name, value, _ in spark.fetchall()}
    location = described["Location"]
    path = location.removeprefix("file://") if location.startswith("file://") else location.removeprefix("file:")
    # of a table by month, the month is in the names of the folders only, so it is not fetched
    files = "*/*.parquet" if "# Partition Information" in described else "*.parquet"
    return f"{path.replace('s3a://', 's3://', 1)}/{files}"


@contextmanager
def _replace(target: Path) -> Iterator[Path]:
    """A new file that replaces the build file when the block ends well."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        yield new
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
