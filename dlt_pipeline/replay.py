"""Rebuilding a raw file from the landing alone: the same bytes are read again, load by load, without the provider."""

import shutil
from collections.abc import Iterator, Mapping, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass

from data_stack.errors import TerminalError
from data_stack.loads import find_present_loads
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.ops import LoadState, Ops
from data_stack.progress import Progress
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.versions import remove_replaced_rows
from dlt_pipeline.downloads import open_downloads
from dlt_pipeline.landing import LandedLoad, Landing
from dlt_pipeline.load import ensure_tables, load_items, record_load
from dlt_pipeline.reader import make_item_adapter, open_reader
from dlt_pipeline.stage import Counts
from dlt_pipeline.transfer import find_set_aside, undo_interrupted_load


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        loads: By the load that was read again, the load that it is now; None if it brought nothing new.
        counts: Rows of all loads.
    """

    loads: dict[str, str | None]
    counts: Counts

    def summary(self) -> str:
        """How many loads were read again and what became of their rows, in one sentence."""
        return f"{len(self.loads)} loads replayed; {self.counts}"


def replay(source: Source, settings: Settings, ops: Ops, run_id: str, progress: Progress, locks: Locks) -> ReplayReport:
    """Rebuild the raw file of a source; its loads are pending, except that accepted ones stay accepted.

    The raw file is replaced once every load has been read; a failure or a kill before that leaves it as it was. The
    state of a dlt resource is not rebuilt, so that its next read begins at the beginning.

    Args:
        source: The source.
        settings: Whose raw file and landing.
        ops: Says which loads still count; the new ones are recorded.
        run_id: The run that they belong to.
        progress: Called about rows.
        locks: The raw file is held.

    Raises:
        TerminalError: A load cannot be rebuilt, because it or its bytes are not in the landing; nothing has changed.
    """
    with locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS):
        undo_interrupted_load(settings, source.name)
        loads = _choose_loads(Landing(settings, source.name, is_replay=True), source, settings, ops)
        replayed: dict[str, str | None] = {}
        outcomes: dict[str, Counts] = {}
        with _set_aside(settings, source):
            for load in loads:
                new_id, counts = _replay_load(source, settings, load, progress)
                replayed[load.load_id] = new_id
                outcomes[load.load_id] = counts
            ensure_tables(source, settings)
            # what is replaced was removed already: the rebuilt file is equal to the one before
            passed = ops.passed_loads(source.name)
            remove_replaced_rows(settings, source, [new for old, new in replayed.items() if new and old in passed])
        for old_id, new_id in replayed.items():
            _record_replayed(source, ops, run_id, old_id, new_id, outcomes[old_id])
    return ReplayReport(replayed, sum(outcomes.values(), Counts()))


def _choose_loads(landing: Landing, source: Source, settings: Settings, ops: Ops) -> list[LandedLoad]:
    """The loads with rows in the raw file, in their order; those that are recorded, where the raw file is lost."""
    current = set(find_present_loads(settings, source))
    if not current:
        recorded = ops.query("select load_id from loads where source = ? and state != 'superseded'", [source.name])
        current = {row["load_id"] for row in recorded}
    downloads = open_downloads(settings, source.name)
    if downloads and not current and not landing.loads():
        # a machine that has nothing of this source
        current = set(downloads.list_loads())
    landed = _find_landed(landing, current)
    incomplete = _find_incomplete(landing, landed, current)
    if incomplete and downloads:
        downloads.restore(landing, incomplete)
        landed = _find_landed(landing, current)
        incomplete = _find_incomplete(landing, landed, incomplete)
    if not landed:
        raise TerminalError(
            f"{source.name}: the landing has no load that could be replayed; `data-stack ingest {source.name}` loads "
            "from the provider"
        )
    if incomplete:
        place = "the landing or the lake" if downloads else "the landing"
        raise TerminalError(
            f"{source.name}: the bytes of load {', '.join(sorted(incomplete))} are not in {place} (removed after "
            "LANDING_KEEP_DAYS, or loaded by an earlier version), so a replay would lose rows; nothing has changed. "
            f"`data-stack reset {source.name}` lets you load everything from the provider again"
        )
    return list(landed.values())


def _find_landed(landing: Landing, current: Set[str]) -> dict[str, LandedLoad]:
    return {load.load_id: load for load in landing.loads() if load.load_id in current or not current}


def _find_incomplete(landing: Landing, landed: Mapping[str, LandedLoad], wanted: Set[str]) -> set[str]:
    """The loads that the landing does not have, or not all bytes of; looks at all that landed if none is wanted."""
    return {name for name in wanted or landed if name not in landed or landing.missing(landed[name].sha256)}


def _replay_load(source: Source, settings: Settings, load: LandedLoad, progress: Progress) -> tuple[str | None, Counts]:
    with closing(open_reader(source, settings, is_replay=True)) as reader:
        reader.landing.replay_only(load.sha256)
        items = make_item_adapter(reader).validate_python(load.items)
        return load_items(reader, source, items, progress, load.loaded_at_utc)


def _record_replayed(source: Source, ops: Ops, run_id: str, old_id: str, new_id: str | None, counts: Counts) -> None:
    """Record the new load, with what a person has decided on the old one: the bytes are the same."""
    accepted = {row["load_id"]: row for row in ops.accepted_loads(source.name)}.get(old_id)
    if new_id:
        record_load(source.name, ops, run_id, new_id, counts)
        if accepted:
            reason = f"{accepted['reason']} (accepted as load {old_id})"
            ops.decide_load(source.name, new_id, LoadState.ACCEPTED, reason, accepted["decided_by"])
    ops.decide_load(source.name, old_id, LoadState.SUPERSEDED, f"replayed as load {new_id or 'nothing'}")


@contextmanager
def _set_aside(settings: Settings, source: Source) -> Iterator[None]:
    """Move the raw file out of the way; it comes back if the block fails, and goes if the block ends well."""
    raw_file, aside = settings.raw_file(source.name), find_set_aside(settings, source.name)
    if raw_file.exists():
        raw_file.replace(aside)
    shutil.rmtree(settings.dlt_state_dir(source.name), ignore_errors=True)
    try:
        yield
    except BaseException:
        raw_file.unlink(missing_ok=True)
        undo_interrupted_load(settings, source.name)
        raise
    aside.unlink(missing_ok=True)
