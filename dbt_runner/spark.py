"""Spark as the engine of a build: the lake's files as its sources, the same models and tests, and the way back."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from data_stack.errors import TerminalError, TransientError, UsageError
from data_stack.lake.lake import Lake, open_lake
from data_stack.lake.manifest import LakeTable, Manifest
from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest as DbtManifest

# how often a statement's end is looked for, in seconds: dbt-spark knows whole seconds only, and most take less
_POLL_SECONDS = 0.05
_MANIFEST_PROPERTY = "data_stack.manifest"
# the column that a table of the lake is partitioned by, one partition per file
_FILE_COLUMN = "lake_file"
_REFUSED_TABLE = re.compile(r"\[LOCATION_ALREADY_EXISTS\] Cannot name the managed table as \S*`([^`]+)`\.`([^`]+)`")
_ERROR_NAME = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
_TYPES = {
    "VARCHAR": "string",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp_ltz",
    "INTEGER": "int",
}


@contextmanager
def connect_spark(settings: Settings) -> Iterator[Any]:
    """A cursor of the Thrift server, in the time zone UTC.

    Args:
        settings: Host and port.

    Raises:
        UsageError: The client is not installed.
        TransientError: The server does not answer.
        TerminalError: It refused a statement; has Spark's name of the error, as its message can quote a row.
    """
    try:
        from pyhive import hive
        from pyhive.exc import Error
        from thrift.transport.TTransport import TTransportException
    except ImportError:
        raise UsageError("the client of Spark is not installed; install it with `make setup-spark`") from None
    zone = {"spark.sql.session.timeZone": "UTC", "spark.sql.timestampType": "TIMESTAMP_NTZ"}
    try:
        connection = hive.connect(settings.spark_host, settings.spark_port, username="data_stack", configuration=zone)
    except (TTransportException, OSError):
        raise TransientError(
            f"Spark does not answer at {settings.spark_host}:{settings.spark_port}; start it (`make spark` on this "
            "machine), or correct SPARK_HOST and SPARK_PORT"
        ) from None
    try:
        yield connection.cursor()
    except Error as error:
        name = _ERROR_NAME.search(str(error))
        raise TerminalError(
            f"Spark at {settings.spark_host}:{settings.spark_port} refused a statement"
            f" ({name[1] if name else type(error).__name__}); the log of its Thrift server says why"
        ) from None
    except TTransportException:
        raise TransientError(
            f"Spark at {settings.spark_host}:{settings.spark_port} stopped answering; the log of its Thrift server "
            "says why"
        ) from None
    finally:
        # what was asked for is done, and a session whose end the server refuses ends with its connection
        with suppress(Error, TTransportException):
            connection.close()


def register_lake(settings: Settings) -> list[str]:
    """Make the tables of the lake known to Spark, as the current manifests have them.

    A table whose manifest has not changed is left as it is. The files belong to the lake: dropping such a table, or
    losing the metastore, loses nothing.

    Args:
        settings: Which lake, which Spark.

    Returns:
        Names of the tables that were registered.

    Raises:
        UsageError: No lake is set.
        TerminalError: A source is not in the lake.
        TransientError: Spark does not answer.
    """
    lake = open_lake(settings)
    if lake is None:
        raise UsageError("Spark reads the lake, and none is set; set LAKE_URL to a folder that all its workers see")
    with connect_spark(settings) as spark:
        return [name for source in SOURCES for name in _register_source(settings, spark, lake, source.name)]


def prepare_spark(settings: Settings, ops: Ops) -> None:
    """Write what the models read into Spark: the tables of the lake, and the loads that passed.

    Args:
        settings: Which lake, which Spark.
        ops: Which loads have passed.

    Raises:
        DataStackError: As `register_lake`.
    """
    register_lake(settings)
    loads = [(source.name, load_id) for source in SOURCES for load_id in sorted(ops.passed_loads(source.name))]
    schema = f"{settings.spark_schema}_gate"
    rows = ", ".join(f"('{source}', '{load_id}')" for source, load_id in [*loads, ("", "")])
    with connect_spark(settings) as spark:
        spark.execute(f"create schema if not exists {schema}")
        # a view, because it is replaced in one statement
        spark.execute(
            f"create or replace view {schema}.passed_loads as"
            f" select source, load_id from values {rows} as passed (source, load_id) where source != ''"
        )


def find_refused_tables(messages: Iterable[str]) -> set[str]:
    """Tables that Spark did not make because their folders have files, with their schemas.

    Args:
        messages: Of what has failed.
    """
    return {f"{found[1]}.{found[2]}" for message in messages for found in _REFUSED_TABLE.finditer(message)}


def clear_folders(settings: Settings, tables: Iterable[str]) -> None:
    """Empty the folders of tables that do not exist, which a server that was killed while it made them leaves behind.

    Spark makes no table where files are, and its SQL removes only what it writes over. So nothing is written over them.

    Args:
        settings: Which Spark.
        tables: Their names, with the schemas.
    """
    with connect_spark(settings) as spark:
        spark.execute("set mapreduce.fileoutputcommitter.marksuccessfuljobs = false")
        for table in tables:
            schema, _, name = table.partition(".")
            spark.execute(f"describe schema {schema}")
            folder = f"{dict(spark.fetchall())['Location']}/{name}"
            # with a location of its own it is external: no file is removed with it
            spark.execute(
                f"create table {table} (nothing int, part string) using parquet partitioned by (part)"
                f" location '{folder}'"
            )
            spark.execute(f"insert overwrite table {table} partition (part) select 1, 'none' where false")
            spark.execute(f"drop table {table}")


def find_portable_unit_tests(manifest: "DbtManifest") -> set[str]:
    """Unique ids of the unit tests whose rows are data; those whose rows are a select are in DuckDB's SQL.

    Args:
        manifest: The parsed project.
    """
    return {
        name
        for name, test in manifest.unit_tests.items()
        if all(fixture.format != "sql" for fixture in [*test.given, test.expect])
    }


def poll_quickly() -> None:
    """Let dbt-spark look for the end of a statement more often than once per second, and end a session in any case."""
    from dbt.adapters.spark import connections
    from pyhive.exc import Error

    class QuickConnection(connections.PyhiveConnectionWrapper):  # type: ignore[misc]
        """A connection that does not wait a second for what takes less."""

        def close(self) -> None:
            # the server has been seen to fail when it closed two sessions at once; nothing is lost then
            with suppress(Error):
                super().close()

        def __init__(self, handle: Any, **options: Any) -> None:
            super().__init__(handle, **{**options, "poll_interval": _POLL_SECONDS})

    if connections.PyhiveConnectionWrapper.__name__ != QuickConnection.__name__:
        connections.PyhiveConnectionWrapper = QuickConnection


def _register_source(settings: Settings, spark: Any, lake: Lake, source_name: str) -> Iterator[str]:
    current = lake.read_current(source_name)
    if current is None:
        raise TerminalError(
            f"{source_name}: nothing of it is in the lake at {lake.root}, and dbt reads every source; "
            "`data-stack lake sync` writes what has passed"
        )
    schema = f"{settings.spark_schema}_raw_{source_name}"
    spark.execute(f"create schema if not exists {schema}")
    for name, table in current.manifest.tables.items():
        if not _is_registered(spark, schema, name, current.manifest):
            folder = _locate(lake, f"{source_name}/{name}")
            for statement in _list_statements(lake, current.manifest, f"{schema}.{name}", table, folder):
                spark.execute(statement)
            yield f"{schema}.{name}"


def _is_registered(spark: Any, schema: str, table: str, manifest: Manifest) -> bool:
    spark.execute(f"show tables in {schema} like '{table}'")
    if not spark.fetchall():
        return False
    spark.execute(f"show tblproperties {schema}.{table}")
    if dict(spark.fetchall()).get(_MANIFEST_PROPERTY) != manifest.manifest_id:
        return False
    # a kill can have left a table without its files
    spark.execute(f"show partitions {schema}.{table}")
    return len(spark.fetchall()) == len(manifest.tables[table].files)


def _list_statements(lake: Lake, manifest: Manifest, name: str, table: LakeTable, folder: str) -> Iterator[str]:
    columns = ", ".join(f"`{column}` {_TYPES.get(kind, kind)}" for column, kind in table.columns.items())
    yield f"drop table if exists {name}"
    yield (
        f"create table {name} ({columns}, {_FILE_COLUMN} string) using parquet partitioned by ({_FILE_COLUMN})"
        # with a location of its own it is external: dropping it removes no file
        f" location '{folder}' tblproperties ('{_MANIFEST_PROPERTY}' = '{manifest.manifest_id}')"
    )
    if table.files:
        # a file is alone in its folder, so its folder is a partition
        parts = [file.path.rpartition("/")[0] for file in table.files]
        added = (f"partition ({_FILE_COLUMN} = '{part}') location '{_locate(lake, part)}'" for part in parts)
        yield f"alter table {name} add {' '.join(added)}"


def _locate(lake: Lake, path: str) -> str:
    """The URL by which Spark opens a folder of the lake."""
    place = lake.store.locate(path)
    return place.replace("s3://", "s3a://", 1) if place.startswith("s3://") else f"file://{place}"
