"""Loading: one dlt pipeline per source, into its raw DuckDB file, with every row accounted for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import structlog

from data_stack.errors import TerminalError
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.ops import LoadRecord, Ops
from data_stack.progress import Progress
from data_stack.raw import has_tables, query_raw
from data_stack.redaction import describe_error, describe_open_file
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.reader import Plan, Provider, SourceReader, open_reader
from dlt_pipeline.stage import Counts, Stage, open_stage
from dlt_pipeline.tables import PROVIDER, RawTable

DATASET = "raw"

_log = structlog.get_logger()


@dataclass(frozen=True)
class IngestReport:
    """What one `ingest` of a source did.

    Attributes:
        source_name: The source.
        load_id: The load, or None where there was nothing new.
        counts: Rows of the new files or requests.
        fetched: What was fetched.
        skipped: How many files or requests had been loaded before.
        note: A message for the user, if there is one.
    """

    source_name: str
    load_id: str | None
    counts: Counts
    fetched: tuple[str, ...]
    skipped: int
    note: str | None

    def summary(self) -> str:
        """What was fetched and what became of its rows, in one sentence."""
        fetched = f"{len(self.fetched)} fetched, {self.skipped} loaded before"
        return "; ".join(filter(None, (fetched, str(self.counts), self.note)))


def plan(source: Source, settings: Settings, window: Window | None) -> Plan[Any]:
    """What `ingest` would fetch; writes nothing."""
    reader = open_reader(source, settings)
    planned = reader.plan(window)
    _check_provider(reader)
    return planned


def ingest(
    source: Source, settings: Settings, ops: Ops, run_id: str, window: Window | None, progress: Progress, locks: Locks
) -> IngestReport:
    """Load what is new of a source.

    Args:
        source: The source.
        settings: Where the raw file is, and how often to retry.
        ops: Where the load is recorded, as pending.
        run_id: The run that it belongs to.
        window: Days to load; sources that load everything they find ignore it.
        progress: Called about downloads and rows.
        locks: The raw file is held while it is written.

    Raises:
        TerminalError: The provider, a file or a key is not as it must be; nothing was loaded.
        TransientError: The provider is unavailable, or another process holds the raw file.
    """
    with locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS):
        reader = open_reader(source, settings)
        _finish_interrupted_load(reader)
        _record_missing_loads(reader, source, ops, run_id)
        _delete_withdrawn_files(reader)
        planned = reader.plan(window)
        _check_provider(reader)
        to_fetch = planned.to_fetch()
        load_id, counts = None, Counts()
        if to_fetch:
            load_id, counts = _load_items(reader, [one.item for one in to_fetch], progress)
            ops.record_load(
                run_id,
                LoadRecord(source.name, load_id, counts.read, counts.loaded, counts.rejected, counts.repeated),
            )
            _delete_old_rejects(reader)
            reader.cleanup([one.item for one in to_fetch])
            _log.info("loaded", source=source.name, load_id=load_id, rows=counts.loaded, rejected=counts.rejected)
        else:
            ensure_tables(source, settings)
    return IngestReport(
        source_name=source.name,
        load_id=load_id,
        counts=counts,
        fetched=tuple(one.what for one in to_fetch),
        skipped=len(planned.planned) - len(to_fetch),
        note="; ".join(filter(None, (planned.note, *reader.notes))) or None,
    )


def _load_items(reader: SourceReader[Any], items: list[Any], progress: Progress) -> tuple[str, Counts]:
    with open_stage(reader.settings, reader.name, reader.tables) as stage:
        reader.read(items, stage, progress)
        _check_provider(reader)
        stage.drop_duplicates()
        reader.describe(items, stage)
        counts = stage.check(reader.name, reader.settings.reject_share_max)
        provider = reader.provider()
        stage.write_rows(PROVIDER, [{"source": reader.name, "origin": provider.origin, "scope": provider.scope}])
        load_id = _run_dlt(reader, stage)
        _check_arrival(reader, stage, load_id)
    return load_id, counts


def ensure_tables(source: Source, settings: Settings) -> None:
    """Create the raw file with its tables, empty and typed, so that everything builds without the source."""
    if not has_tables(settings, source):
        reader = open_reader(source, settings)
        with open_stage(settings, reader.name, reader.tables) as stage:
            _run_dlt(reader, stage)


def reset(source: Source, settings: Settings, ops: Ops, locks: Locks) -> None:
    """Remove the raw file of a source together with dlt's state and its downloads.

    With only one of them removed, the next load would bring nothing and be reported as a success.
    """
    with locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS):
        raw_file = settings.raw_file(source.name)
        for path in (raw_file, raw_file.with_name(raw_file.name + ".wal")):
            path.unlink(missing_ok=True)
        for folder in (settings.dlt_state_dir(source.name), settings.landing_dir(source.name)):
            shutil.rmtree(folder, ignore_errors=True)
        ops.supersede_loads(source.name)


def _pipeline(settings: Settings, source_name: str) -> Any:
    import dlt

    settings.raw_dir.mkdir(parents=True, exist_ok=True)
    return dlt.pipeline(
        source_name,
        destination=dlt.destinations.duckdb(str(settings.raw_file(source_name))),
        dataset_name=DATASET,
        pipelines_dir=str(settings.dlt_state_dir(source_name)),
    )


def _run_dlt(reader: SourceReader[Any], stage: Stage) -> str:
    pipeline = _pipeline(reader.settings, reader.name)
    with _translate_failures(reader.name):
        info = pipeline.run([_resource(table, stage) for table in reader.tables], loader_file_format="parquet")
    load_ids = list(info.loads_ids)
    if len(load_ids) != 1:
        raise TerminalError(f"{reader.name}: dlt finished {len(load_ids)} loads instead of one; run the command again")
    return str(load_ids[0])


def _resource(table: RawTable, stage: Stage) -> Any:
    import dlt

    # naive Arrow timestamps would be loaded as TIMESTAMPTZ; one dict per column, because dlt writes into it
    hints = {
        field.name: {"data_type": "timestamp", "timezone": False, "precision": 6}
        for field in table.schema
        if pa.types.is_timestamp(field.type)
    }
    return dlt.resource(
        stage.read_batches(table),
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key=table.replaces,
        columns=hints,
        schema_contract={"columns": "freeze", "data_type": "freeze"},
    )


def _finish_interrupted_load(reader: SourceReader[Any]) -> None:
    """Finish what a killed run left: dlt would do so in the next run, call it a success and ignore the new rows."""
    state_dir = reader.settings.dlt_state_dir(reader.name)
    if not state_dir.exists():
        return
    if not reader.settings.raw_file(reader.name).exists():
        # dlt's state without the raw file would load nothing and report success
        shutil.rmtree(state_dir)
        return
    pipeline = _pipeline(reader.settings, reader.name)
    if pipeline.has_pending_data:
        with _translate_failures(reader.name):
            pipeline.normalize()
            pipeline.load()


def _check_arrival(reader: SourceReader[Any], stage: Stage, load_id: str) -> None:
    """Ask the raw file itself: dlt can report success without having loaded the rows."""
    with duckdb.connect(str(reader.settings.raw_file(reader.name)), read_only=True) as db:
        if not db.execute("select 1 from raw._dlt_loads where load_id = ? and status = 0", [load_id]).fetchall():
            raise TerminalError(f"{reader.name}: load {load_id} did not finish; run the command again")
        for table in reader.tables:
            sql = f"select count(*) from raw.{table.name} where _dlt_load_id = ?"
            ((arrived,),) = db.execute(sql, [load_id]).fetchall()
            staged = stage.count_rows(table)
            if arrived != staged:
                raise TerminalError(
                    f"{reader.name}: {arrived} of {staged} rows arrived in {table.name} with load {load_id}; "
                    f"run `data-stack reset {reader.name}` and load again"
                )


def _record_missing_loads(reader: SourceReader[Any], source: Source, ops: Ops, run_id: str) -> None:
    """Record loads that finished but were not recorded, for example because of a kill in between."""
    recorded = {row["load_id"] for row in ops.query("select load_id from loads where source = ?", [source.name])}
    counted = query_raw(
        reader.settings,
        source,
        f"select _dlt_load_id, count(*), (select count(*) from raw.rejects r where r._dlt_load_id = t._dlt_load_id)"
        f" from raw.{source.table} t group by 1 order by 1",
    )
    for load_id, rows, rejected in counted:
        if load_id not in recorded:
            ops.record_load(run_id, LoadRecord(source.name, load_id, rows + rejected, rows, rejected, 0))


def _delete_withdrawn_files(reader: SourceReader[Any]) -> None:
    """Delete the rows of files that failed their gate and that the user has removed: no later version replaces them."""
    withdrawn = reader.withdrawn()
    if withdrawn:
        with duckdb.connect(str(reader.settings.raw_file(reader.name))) as db:
            for table in (table.name for table in reader.tables if "batch" in table.schema.names):
                db.execute(f"delete from raw.{table} where list_contains(?, batch)", [withdrawn])


def _delete_old_rejects(reader: SourceReader[Any]) -> None:
    """Delete rejects of file versions that are gone; a new version without rejects does not replace them by itself."""
    names = [table.name for table in reader.tables]
    # the current versions are in `files`, or in the rows themselves where a source has no files
    current = "files" if "files" in names else names[0]
    with duckdb.connect(str(reader.settings.raw_file(reader.name))) as db:
        db.execute(
            f"delete from raw.rejects r where not exists (select 1 from raw.{current} t"
            " where t.batch = r.batch and t._dlt_load_id = r._dlt_load_id)"
        )


def _check_provider(reader: SourceReader[Any]) -> None:
    """Refuse rows of another provider than the one that the raw file remembers."""
    raw_file = reader.settings.raw_file(reader.name)
    provider = reader.provider()
    for origin, scope in reader.query_raw("select origin, scope from raw.provider"):
        known = Provider(origin, scope)
        if known.differs(provider):
            raise TerminalError(
                f"{reader.name}: {raw_file} contains {known}, and this run would add {provider}; keep them apart with "
                f"another DATA_DIR, or start again with `data-stack reset {reader.name}`"
            )


@contextmanager
def _translate_failures(source_name: str) -> Iterator[None]:
    """Raise dlt's failures as ours; what is pending stays and is finished by the next run."""
    from dlt.pipeline.exceptions import PipelineStepFailed

    try:
        yield
    except PipelineStepFailed as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if open_file := describe_open_file(str(cause)):
            raise TerminalError(f"{source_name}: {open_file}") from error
        raise TerminalError(
            f"{source_name}: dlt failed in its {error.step} step: {describe_error(cause)}; "
            f"fix the cause and run again, or start again with `data-stack reset {source_name}`"
        ) from error
