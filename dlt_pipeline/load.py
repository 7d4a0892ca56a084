"""Loading: one dlt pipeline a source, into its raw DuckDB file, with every row accounted for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import structlog

from data_stack.errors import TerminalError
from data_stack.locks import PATIENCE_SECONDS, Locks, foreign_holder
from data_stack.ops import LoadRecord, Ops
from data_stack.raw import has_tables, raw_query
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.http import Progress
from dlt_pipeline.source import Plan, Provider, Source
from dlt_pipeline.stage import Counts, Stage, open_stage
from dlt_pipeline.tables import PROVIDER, RawTable

DATASET = "raw"

_log = structlog.get_logger()


@dataclass(frozen=True)
class IngestReport:
    """What one `ingest` of a source did.

    Attributes:
        source: Its name.
        load_id: The load, or None where there was nothing new.
        counts: Rows of the new files or requests.
        fetched: What was fetched.
        skipped: How many items were loaded before.
        note: A sentence for the user, if there is something to say.
    """

    source: str
    load_id: str | None
    counts: Counts
    fetched: tuple[str, ...]
    skipped: int
    note: str | None


def open_source(name: str, settings: Settings) -> Source[Any]:
    """The source's reader, from `dlt_pipeline.<name>`."""
    source: Source[Any] = get_source(name).ingestion().SOURCE(settings)
    return source


def plan(name: str, settings: Settings, window: Window | None) -> Plan[Any]:
    """What `ingest` would fetch; writes nothing."""
    return _plan(open_source(name, settings), window)


def _plan(source: Source[Any], window: Window | None) -> Plan[Any]:
    planned = source.plan(window)
    _check_provider(source)
    return planned


def ingest(
    name: str, settings: Settings, ops: Ops, run_id: str, window: Window | None, progress: Progress, locks: Locks
) -> IngestReport:
    """Load what is new of a source.

    Args:
        name: The source.
        settings: Where the raw file is, and how patient to be.
        ops: Where the load is recorded, as pending.
        run_id: The run it belongs to.
        window: Days to load; sources that take everything they find ignore it.
        progress: Told about downloads and rows.
        locks: The raw file is held while it is written.

    Raises:
        TerminalError: The provider, a file or a key is not as it must be; nothing was loaded.
        TransientError: The provider did not answer, or another process holds the raw file.
    """
    with locks.hold(get_source(name).lock, wait_seconds=PATIENCE_SECONDS):
        _require_state(settings, name)
        _drain(settings, name)
        _adopt_loads(settings, ops, run_id, name)
        source = open_source(name, settings)
        _remove_withdrawn(source)
        planned = _plan(source, window)
        items = planned.to_fetch()
        skipped = len(planned.planned) - len(items)
        if not items:
            ensure_tables(settings, name)
            return IngestReport(name, None, Counts(), (), skipped, _note(planned, source))
        load_id, counts = _load_items(source, items, progress)
        ops.record_load(run_id, LoadRecord(name, load_id, counts.read, counts.loaded, counts.rejected, counts.repeated))
        _purge_rejects(settings, source)
        source.cleanup(items)
    _log.info("loaded", source=name, load_id=load_id, rows=counts.loaded, rejected=counts.rejected)
    fetched = tuple(planned_item.what for planned_item in planned.planned if planned_item.skip is None)
    return IngestReport(name, load_id, counts, fetched, skipped, _note(planned, source))


def _note(planned: Plan[Any], source: Source[Any]) -> str | None:
    return "; ".join([*([planned.note] if planned.note else []), *source.notes]) or None


def _load_items(source: Source[Any], items: list[Any], progress: Progress) -> tuple[str, Counts]:
    with open_stage(source.settings, source.name, source.tables) as stage:
        source.read(items, stage, progress)
        _check_provider(source)
        stage.drop_repeated()
        source.describe(items, stage)
        counts = stage.check(source.name, source.settings.reject_share_max)
        _stage_provider(stage, source)
        load_id = _run_dlt(source, stage)
        _check_arrival(source, stage, load_id)
    return load_id, counts


def _stage_provider(stage: Stage, source: Source[Any]) -> None:
    provider = source.provider()
    row = {"source": source.name, "origin": provider.origin, "scope": provider.scope}
    stage.write_rows(PROVIDER, [row])


def ensure_tables(settings: Settings, name: str) -> None:
    """Create the raw file with its tables, empty and typed, so that everything builds without the source."""
    if has_tables(settings, name):
        return
    source = open_source(name, settings)
    with open_stage(settings, name, source.tables) as stage:
        _run_dlt(source, stage)


def reset(settings: Settings, ops: Ops, locks: Locks, name: str) -> None:
    """Remove the raw file of a source together with dlt's state and its downloads.

    Deleting one without the other would make the next load bring nothing and call it a success.
    """
    with locks.hold(get_source(name).lock, wait_seconds=PATIENCE_SECONDS):
        raw_file = settings.raw_file(name)
        for path in (raw_file, raw_file.with_name(raw_file.name + ".wal")):
            path.unlink(missing_ok=True)
        for folder in (settings.dlt_state_dir(name), settings.landing_dir(name)):
            shutil.rmtree(folder, ignore_errors=True)
        ops.forget_loads(name)


def _pipeline(settings: Settings, name: str) -> Any:
    import dlt

    settings.raw_dir.mkdir(parents=True, exist_ok=True)
    return dlt.pipeline(
        name,
        destination=dlt.destinations.duckdb(str(settings.raw_file(name))),
        dataset_name=DATASET,
        pipelines_dir=str(settings.dlt_state_dir(name)),
    )


def _run_dlt(source: Source[Any], stage: Stage) -> str:
    pipeline = _pipeline(source.settings, source.name)
    with _explained(source.name):
        info = pipeline.run([_resource(table, stage) for table in source.tables], loader_file_format="parquet")
    load_ids = list(info.loads_ids)
    if len(load_ids) != 1:
        raise TerminalError(f"{source.name}: dlt finished {len(load_ids)} loads instead of one; run the command again")
    return str(load_ids[0])


def _resource(table: RawTable, stage: Stage) -> Any:
    import dlt

    def rows() -> Iterator[pa.Table]:
        yield from stage.batches(table)

    return dlt.resource(
        rows,
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key=table.replaces,
        columns=_hints(table.schema),
        schema_contract={"columns": "freeze", "data_type": "freeze"},
    )()


def _hints(schema: pa.Schema) -> dict[str, Any]:
    # naive Arrow timestamps would land as TIMESTAMPTZ; one dict a column, because dlt writes into it
    return {
        field.name: {"data_type": "timestamp", "timezone": False, "precision": 6}
        for field in schema
        if pa.types.is_timestamp(field.type)
    }


def _drain(settings: Settings, name: str) -> None:
    """Finish what a killed run left: dlt would do so on the next run, call it a success and ignore the new rows."""
    if not settings.dlt_state_dir(name).exists():
        return
    pipeline = _pipeline(settings, name)
    if pipeline.has_pending_data:
        with _explained(name):
            pipeline.normalize()
            pipeline.load()


def _require_state(settings: Settings, name: str) -> None:
    """dlt's state without the raw file would load nothing and report success."""
    if settings.dlt_state_dir(name).exists() and not settings.raw_file(name).exists():
        shutil.rmtree(settings.dlt_state_dir(name))


def _check_arrival(source: Source[Any], stage: Stage, load_id: str) -> None:
    finished = raw_query(
        source.settings, source.name, "select 1 from raw._dlt_loads where load_id = ? and status = 0", [load_id]
    )
    if not finished:
        raise TerminalError(f"{source.name}: load {load_id} did not finish; run the command again")
    for table in source.tables:
        sql = f"select count(*) from raw.{table.name} where _dlt_load_id = ?"
        arrived, staged = raw_query(source.settings, source.name, sql, [load_id])[0][0], stage.rows(table)
        if arrived != staged:
            raise TerminalError(
                f"{source.name}: {arrived} of {staged} rows arrived in {table.name} with load {load_id}; "
                f"run `data-stack reset {source.name}` and load again"
            )


def _adopt_loads(settings: Settings, ops: Ops, run_id: str, name: str) -> None:
    """Record loads that finished while nobody was there to record them, after a kill for example."""
    table = get_source(name).table
    known = {row["load_id"] for row in ops.query("select load_id from loads where source = ?", [name])}
    for load_id, rows in raw_query(
        settings, name, f"select _dlt_load_id, count(*) from raw.{table} group by 1 order by 1"
    ):
        if load_id not in known:
            rejected = raw_query(settings, name, "select count(*) from raw.rejects where _dlt_load_id = ?", [load_id])[
                0
            ][0]
            ops.record_load(run_id, LoadRecord(name, load_id, rows + rejected, rows, rejected, 0))


def _remove_withdrawn(source: Source[Any]) -> None:
    """Remove files that failed their gate and that the user has taken away: no later version will replace them."""
    withdrawn = source.withdrawn()
    if not withdrawn:
        return
    with duckdb.connect(str(source.settings.raw_file(source.name))) as db:
        for table in (table.name for table in source.tables if "source_file" in table.schema.names):
            db.execute(f"delete from raw.{table} where list_contains(?, source_file)", [withdrawn])


def _purge_rejects(settings: Settings, source: Source[Any]) -> None:
    """Remove rejects of file versions that are gone; a new version without rejects does not replace them by itself."""
    names = [table.name for table in source.tables]
    # what is current stands in `files`, or in the rows themselves where a source has no files
    current = "files" if "files" in names else names[0]
    with duckdb.connect(str(source.settings.raw_file(source.name))) as db:
        db.execute(
            f"delete from raw.rejects r where not exists (select 1 from raw.{current} t"
            " where t.source_file = r.source_file and t._dlt_load_id = r._dlt_load_id)"
        )


def _check_provider(source: Source[Any]) -> None:
    """A raw file remembers its provider; rows of another one are refused."""
    provider, raw_file = source.provider(), source.settings.raw_file(source.name)
    for origin, scope in raw_query(source.settings, source.name, "select origin, scope from raw.provider"):
        known = Provider(origin, scope)
        if known.differs(provider):
            raise TerminalError(
                f"{source.name}: {raw_file} holds {known}, and this run would add {provider}; keep them apart with "
                f"another DATA_DIR, or start again with `data-stack reset {source.name}`"
            )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn dlt's failure into a sentence; what is pending stays and is finished by the next run."""
    from dlt.pipeline.exceptions import PipelineStepFailed

    try:
        yield
    except PipelineStepFailed as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        held = foreign_holder(str(cause))
        if held:
            raise TerminalError(f"{name}: {held}") from error
        # the text of an error may quote a value, which must not leave a source of personal data
        text = "" if get_source(name).personal_columns else f": {str(cause).splitlines()[0][:300]}"
        raise TerminalError(
            f"{name}: dlt failed in its {error.step} step ({type(cause).__name__}{text}); "
            f"mend the cause and run again, or start anew with `data-stack reset {name}`"
        ) from error
