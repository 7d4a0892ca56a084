"""What dlt does for a load: it extracts, normalises and loads the staged rows, and keeps the state of resources.

Rows are appended: what a load replaces stays until it has passed (see `data_stack/versions.py`). A load that was
interrupted is undone, and its rows are read again.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data_stack.duck import connect_duckdb
from data_stack.errors import DataStackError, TerminalError
from data_stack.raw import change_raw, query_raw
from data_stack.raw_schema import upgrade_raw_file
from data_stack.redaction import describe_error, describe_open_file
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.versions import LOAD_ID
from dlt_pipeline.reader import ResourceReader, SourceReader
from dlt_pipeline.stage import Stage, open_stage
from dlt_pipeline.tables import RawTable

if TYPE_CHECKING:
    from dlt.extract import DltResource, DltSource

DATASET = "raw"
_TABLES_WITH_LOADS = "select table_name from duckdb_columns() where schema_name = 'raw' and column_name = ?"

Complete = Callable[[], None]
Announce = Callable[[str], None]


def transfer(
    reader: SourceReader[Any], stage: Stage, complete: Complete, announce: Announce, resource_batch: str | None
) -> str | None:
    """Bring the staged rows into the raw file, as one load.

    Args:
        reader: The source's reader.
        stage: The staged tables.
        complete: Called when every row is staged and before any is loaded; its errors stop the load.
        announce: Called with the load's identifier before its rows are visible.
        resource_batch: The batch that the rows of the reader's own resource come with; None if it has none to run.

    Returns:
        The load's identifier; None where a resource had nothing new.

    Raises:
        TerminalError: dlt failed, or not every row arrived.
    """
    pipeline = _open_pipeline(reader.settings, reader.name)
    sources = [_make_source(reader.name, [_read_table(table, stage, complete) for table in reader.tables])]
    with _translate_failures(reader.name):
        if isinstance(reader, ResourceReader) and resource_batch:
            if reader.settings.raw_file(reader.name).exists():
                pipeline.sync_destination()
            # the sources of one call are read one after the other, into one load
            sources.insert(0, _make_source(reader.name, [_stage_resource(reader, stage, resource_batch)]))
        pipeline.extract(sources, loader_file_format="model")
        if resource_batch and stage.is_empty(get_source(reader.name).replaces):
            # the state goes back to what it was: the same rows would be read again
            pipeline.abort_packages()
            return None
        return _load_extracted(pipeline, reader, stage, announce)


def create_tables(reader: SourceReader[Any]) -> None:
    """Create the raw file with its tables, empty and typed.

    Args:
        reader: The source's reader; nothing is asked of its provider.
    """
    with open_stage(reader.settings, reader.name, reader.tables) as stage, _translate_failures(reader.name):
        pipeline = _open_pipeline(reader.settings, reader.name)
        tables = [_read_table(table, stage, lambda: None) for table in reader.tables]
        pipeline.extract(_make_source(reader.name, tables), loader_file_format="model")
        _load_extracted(pipeline, reader, stage, lambda _: None)


def _load_extracted(pipeline: Any, reader: SourceReader[Any], stage: Stage, announce: Announce) -> str:
    pipeline.normalize()
    load_ids = pipeline.list_normalized_load_packages()
    if len(load_ids) != 1:
        raise TerminalError(f"{reader.name}: dlt has {len(load_ids)} loads instead of one; run the command again")
    announce(load_ids[0])
    pipeline.load()
    _check_arrival(reader, stage, load_ids[0])
    return str(load_ids[0])


def find_set_aside(settings: Settings, source_name: str) -> Path:
    """Where the raw file is while a replay rebuilds it."""
    return settings.raw_dir / f".{source_name}.before-replay.duckdb"


def undo_interrupted_load(settings: Settings, source_name: str) -> None:
    """Remove what a killed run left: rows of a load that never finished, and dlt's pending work.

    dlt would finish that work in the next run, call it a success and ignore the new rows.
    """
    state_dir = settings.dlt_state_dir(source_name)
    if find_set_aside(settings, source_name).exists():
        # a replay was interrupted: the file that it would have replaced is the good one
        shutil.rmtree(state_dir, ignore_errors=True)
        find_set_aside(settings, source_name).replace(settings.raw_file(source_name))
    if not settings.raw_file(source_name).exists():
        # dlt's state without the raw file would load nothing and report success
        shutil.rmtree(state_dir, ignore_errors=True)
        return
    if _has_pending_work(settings, source_name):
        shutil.rmtree(state_dir)
    source = get_source(source_name)
    upgrade_raw_file(settings, source)
    unfinished = f"{LOAD_ID} not in (select load_id from raw._dlt_loads where status = 0)"
    tables = [table for (table,) in query_raw(settings, source, _TABLES_WITH_LOADS, [LOAD_ID])]
    found = " union all ".join(f"select 1 from raw.{table} where {unfinished}" for table in tables)
    if not tables or not query_raw(settings, source, f"{found} limit 1"):
        return
    with change_raw(settings, source) as db:
        for table in tables:
            db.execute(f"delete from raw.{table} where {unfinished}")


def _has_pending_work(settings: Settings, source_name: str) -> bool:
    """Whether dlt has packages to finish; it takes a second to import, and is asked only where it has files of some."""
    folder = settings.dlt_state_dir(source_name) / source_name
    packages = [folder / name for name in ("normalize/extracted", "load/new", "load/normalized")]
    if not folder.exists() or all(path.is_dir() and not any(path.iterdir()) for path in packages):
        return False
    return bool(_open_pipeline(settings, source_name).has_pending_data)


def _open_pipeline(settings: Settings, source_name: str) -> Any:
    # where dlt finds no file of secrets, it looks for them in Streamlit and imports it, which takes a second
    secrets = settings.raw_dir / ".dlt" / "secrets.toml"
    secrets.parent.mkdir(parents=True, exist_ok=True)
    secrets.touch()
    os.environ.setdefault("DLT_PROJECT_DIR", str(settings.raw_dir))
    import dlt

    return dlt.pipeline(
        source_name,
        destination=dlt.destinations.duckdb(str(settings.raw_file(source_name))),
        dataset_name=DATASET,
        pipelines_dir=str(settings.dlt_state_dir(source_name)),
    )


def _make_source(source_name: str, resources: "list[DltResource]") -> "DltSource":
    from dlt.common.schema import Schema
    from dlt.extract import DltSource

    return DltSource(Schema(source_name), source_name, resources)


def _read_table(table: RawTable, stage: Stage, complete: Complete) -> "DltResource":
    import dlt

    def import_rows() -> Iterator[Any]:
        complete()
        # dlt takes the columns from the empty table, and adds its load id to the query
        yield dlt.mark.with_file_import(
            str(stage.write_model(table)), "model", stage.count_rows(table), table.schema.empty_table()
        )

    # naive Arrow timestamps would be loaded as TIMESTAMPTZ; one dict per column, because dlt writes into it
    hints = {
        field.name: {"data_type": "timestamp", "timezone": False, "precision": 6}
        for field in table.schema
        if pa.types.is_timestamp(field.type)
    }
    return dlt.resource(
        import_rows,
        name=table.name,
        write_disposition="append",
        columns=hints,
        schema_contract={"columns": "freeze", "data_type": "freeze"},
    )


def _stage_resource(reader: ResourceReader, stage: Stage, batch: str) -> "DltResource":
    """The reader's resource, whose items go to the staging area instead of to dlt's own files."""
    import dlt

    stage.count_read(batch, 0)

    def stage_items(items: Any) -> Iterator[Any]:
        rows = items.to_pylist() if isinstance(items, pa.Table | pa.RecordBatch) else items
        rows = rows if isinstance(rows, list) else [rows]
        reader.note_rows(rows)
        stage.write_items(rows, batch)
        yield from ()

    return dlt.transformer(stage_items, data_from=reader.open_resource(), name=f"{reader.name}_staged")


def _check_arrival(reader: SourceReader[Any], stage: Stage, load_id: str) -> None:
    """Ask the raw file itself: dlt can report success without having loaded the rows."""
    with connect_duckdb(reader.settings.raw_file(reader.name), read_only=True) as db:
        if not db.execute("select 1 from raw._dlt_loads where load_id = ? and status = 0", [load_id]).fetchall():
            raise TerminalError(f"{reader.name}: load {load_id} did not finish; run the command again")
        for table in reader.tables:
            sql = f"select count(*) from raw.{table.name} where {LOAD_ID} = ?"
            ((arrived,),) = db.execute(sql, [load_id]).fetchall()
            staged = stage.count_rows(table)
            if arrived != staged:
                raise TerminalError(
                    f"{reader.name}: {arrived} of {staged} rows arrived in {table.name} with load {load_id}; "
                    f"run `data-stack reset {reader.name}` and load again"
                )


@contextmanager
def _translate_failures(source_name: str) -> Iterator[None]:
    """Raise dlt's failures as ours; what is pending is undone by the next run."""
    from dlt.pipeline.exceptions import PipelineStepFailed

    try:
        yield
    except PipelineStepFailed as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, DataStackError):
            raise cause from None
        if open_file := describe_open_file(str(cause)):
            raise TerminalError(f"{source_name}: {open_file}") from error
        raise TerminalError(
            f"{source_name}: dlt failed in its {error.step} step: {describe_error(cause)}; "
            f"fix the cause and run again, or start again with `data-stack reset {source_name}`"
        ) from error
