"""Loading a source: its reader's rows are staged, accounted for, and loaded by dlt as one pending load."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from data_stack.errors import TerminalError
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.ops import LoadRecord, Ops
from data_stack.progress import Progress
from data_stack.raw import change_raw, has_tables, query_raw
from data_stack.registry import Source, get_source
from data_stack.settings import Settings
from data_stack.versions import LOAD_ID
from data_stack.window import Window
from dlt_pipeline.reader import (
    BatchReader,
    Plan,
    Provider,
    ResourceReader,
    SourceReader,
    make_item_adapter,
    open_reader,
)
from dlt_pipeline.stage import Counts, Stage, open_stage
from dlt_pipeline.tables import PROVIDER
from dlt_pipeline.transfer import create_tables, transfer, undo_interrupted_load

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


def plan(source: Source, settings: Settings, ops: Ops, window: Window | None, is_scheduled: bool = False) -> Plan[Any]:
    """What `ingest` would fetch; writes nothing."""
    with closing(open_reader(source, settings)) as reader:
        planned = _plan_windows(reader, _choose_windows(settings, ops, source, window, is_scheduled), is_scheduled)
        _check_provider(reader)
    return planned


def _plan_windows(reader: SourceReader[Any], windows: Sequence[Window | None], is_scheduled: bool) -> Plan[Any]:
    """One plan of several windows.

    Raises:
        TerminalError: A user asked for days that are not published.
    """
    plans = [reader.plan(window) for window in windows]
    missing = [one for planned in plans for one in planned.not_published]
    if missing and not is_scheduled:
        raise TerminalError(f"{reader.name}: {missing[0].reason}; choose other days with --from and --to")
    notes = [planned.note for planned in plans]
    notes += [f"{one.window} is not published yet, so later scheduled runs ask again: {one.reason}" for one in missing]
    return Plan(
        tuple({one.what: one for planned in plans for one in planned.planned}.values()),
        "; ".join(filter(None, notes)) or None,
        tuple(missing),
    )


def ingest(
    source: Source,
    settings: Settings,
    ops: Ops,
    run_id: str,
    window: Window | None,
    progress: Progress,
    locks: Locks,
    is_scheduled: bool = False,
    on_fetch: Callable[[], None] = lambda: None,
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
        is_scheduled: Nobody asked for these very days: what the provider has not published yet is left to later
            scheduled runs, and what earlier ones left is asked for again.
        on_fetch: Called before batches are fetched, if there are any. Whether a resource has something new is known
            only once it is read, so it is not called for one.

    Raises:
        TerminalError: The provider, a file or a key is not as it must be; nothing was loaded.
        TransientError: The provider is unavailable, or another process holds the raw file.
    """
    with (
        locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS),
        closing(open_reader(source, settings)) as reader,
    ):
        undo_interrupted_load(settings, source.name)
        _record_missing_loads(reader, source, ops, run_id)
        _delete_withdrawn_versions(reader)
        windows = _choose_windows(settings, ops, source, window, is_scheduled)
        planned = _plan_windows(reader, windows, is_scheduled)
        _check_provider(reader)
        to_fetch = planned.to_fetch()
        load_id, counts = None, Counts()
        if to_fetch:
            if isinstance(reader, BatchReader):
                on_fetch()
            load_id, counts = load_items(reader, source, [one.item for one in to_fetch], progress)
        if load_id:
            record_load(source.name, ops, run_id, load_id, counts)
            reader.landing.prune(settings.landing_keep_days)
        else:
            ensure_tables(source, settings)
        _record_awaited(ops, source, windows, planned)
    return IngestReport(
        source_name=source.name,
        load_id=load_id,
        counts=counts,
        fetched=tuple(one.what for one in to_fetch),
        skipped=len(planned.planned) - len(to_fetch),
        note="; ".join(filter(None, (planned.note, *reader.notes))) or None,
    )


def _choose_windows(
    settings: Settings, ops: Ops, source: Source, window: Window | None, is_scheduled: bool
) -> list[Window | None]:
    """The days to ask for: a scheduled run asks again for earlier days that were not published when they were due."""
    if not is_scheduled or window is None:
        return [window]
    earliest = window.start - timedelta(days=settings.late_days_max)
    awaited = [one for one in ops.awaited_windows(source.name) if one.end >= earliest and not window.has(one)]
    return [*awaited, window]


def _record_awaited(ops: Ops, source: Source, asked: Sequence[Window | None], planned: Plan[Any]) -> None:
    """Remember which days are not published yet, and forget those that have arrived."""
    missing = [one.window for one in planned.not_published]
    for window in ops.awaited_windows(source.name):
        if window not in missing and any(one and one.has(window) for one in asked):
            ops.forget_awaited(source.name, window)
    for window in missing:
        ops.record_awaited(source.name, window)


def load_items(
    reader: SourceReader[Any],
    source: Source,
    items: list[Any],
    progress: Progress,
    loaded_at_utc: datetime | None = None,
) -> tuple[str | None, Counts]:
    """Read items and load what is new of them as one load.

    Args:
        reader: The reader of the source.
        source: The source.
        items: What to read, of the reader's plan.
        progress: Called about downloads and rows.
        loaded_at_utc: The time of the load (naive UTC); None is now.

    Returns:
        The load's identifier, None where nothing is new, and the counts of all rows.
    """
    with open_stage(reader.settings, reader.name, reader.tables, loaded_at_utc) as stage:
        complete = partial(_complete_stage, reader, source, items, stage)
        own_batch = None
        if isinstance(reader, BatchReader):
            reader.read(items, stage, progress)
        elif isinstance(reader, ResourceReader) and reader.landing.is_replay:
            reader.read_kept(items, stage)
        else:
            (own_batch,) = items
        if own_batch is None:
            complete()
        is_new = own_batch is not None or not stage.is_empty(source.replaces)
        announce = partial(_journal_load, reader, items, stage.loaded_at_utc)
        load_id = transfer(reader, stage, complete, announce, own_batch) if is_new else None
        return load_id, stage.counts or Counts()


def _journal_load(reader: SourceReader[Any], items: list[Any], loaded_at_utc: datetime, load_id: str) -> None:
    """Write down what the load was made from, before its rows are there: a load without that could not be replayed."""
    values = make_item_adapter(reader).dump_python(items, mode="json")
    reader.landing.record_load(load_id, values, loaded_at_utc)


def record_load(source_name: str, ops: Ops, run_id: str, load_id: str, counts: Counts) -> None:
    """Record a load that has arrived as pending.

    Args:
        source_name: Name of its source.
        ops: The run records.
        run_id: The run that it belongs to.
        load_id: The load.
        counts: Its rows.
    """
    record = LoadRecord(source_name, load_id, counts.read, counts.loaded, counts.rejected, counts.repeated)
    ops.record_load(run_id, record)
    _log.info("loaded", source=source_name, load_id=load_id, rows=counts.loaded, rejected=counts.rejected)


def _complete_stage(reader: SourceReader[Any], source: Source, items: list[Any], stage: Stage) -> None:
    """Account for the staged rows, once: every table is loaded after that."""
    if stage.counts is not None:
        return
    _check_provider(reader)
    if isinstance(reader, ResourceReader) and not reader.landing.is_replay:
        reader.keep_rows(items[0])
    stage.drop_duplicates()
    reader.describe(items, stage)
    stage.drop_unchanged(reader.settings.raw_file(reader.name), source.replaces)
    provider = reader.provider()
    if not query_raw(reader.settings, source, "select 1 from raw.provider"):
        stage.write_rows(PROVIDER, [{"source": reader.name, "origin": provider.origin, "scope": provider.scope}])
    stage.check()


def ensure_tables(source: Source, settings: Settings) -> None:
    """Create the raw file with its tables, empty and typed, so that everything builds without the source."""
    if not has_tables(settings, source):
        with closing(open_reader(source, settings)) as reader:
            create_tables(reader)


def reset(source: Source, settings: Settings, ops: Ops, locks: Locks) -> None:
    """Remove the raw file of a source together with dlt's state and the landed bytes.

    With only one of them removed, the next load would bring nothing and be reported as a success.
    """
    with locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS):
        raw_file = settings.raw_file(source.name)
        for path in (raw_file, raw_file.with_name(raw_file.name + ".wal")):
            path.unlink(missing_ok=True)
        folders = (settings.dlt_state_dir, settings.landing_dir, settings.stage_dir)
        for folder in (find(source.name) for find in folders):
            shutil.rmtree(folder, ignore_errors=True)
        ops.supersede_loads(source.name)


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


def _delete_withdrawn_versions(reader: SourceReader[Any]) -> None:
    """Delete versions that failed their gate and are no longer offered: no later version replaces them."""
    withdrawn = reader.withdrawn()
    if withdrawn:
        with change_raw(reader.settings, get_source(reader.name)) as db:
            for table in (table.name for table in reader.tables if "batch" in table.schema.names):
                db.executemany(f"delete from raw.{table} where {LOAD_ID} = ? and batch = ?", withdrawn)


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
