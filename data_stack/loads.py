"""Which loads have passed their gate: what the raw files contain, compared with what the run records have decided."""

from data_stack.errors import TerminalError
from data_stack.ops import LoadState, Ops
from data_stack.raw import query_raw
from data_stack.raw_schema import upgrade_raw_file
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.versions import FINISHED_LOADS, find_loads_with_rows, remove_replaced_rows


def find_present_loads(settings: Settings, source: Source) -> list[str]:
    """Loads that still have rows in the raw file, in the order in which they finished; none if it was never loaded.

    Raises:
        TerminalError: Rows of a load that never finished (a crash in between) are there.
    """
    rows = find_loads_with_rows(settings, source)
    order = f"{FINISHED_LOADS.format(catalog='')} order by position"
    finished = [load_id for load_id, _ in query_raw(settings, source, order)]
    for load_id in sorted(rows.difference(finished)):
        raise TerminalError(
            f"{source.name}: load {load_id} was interrupted; `data-stack ingest {source.name}` loads it again"
        )
    return [load_id for load_id in finished if load_id in rows]


def mark_superseded_loads(settings: Settings, ops: Ops, source: Source) -> None:
    """Record that later loads have replaced every row of a load, so that nobody has to decide on it."""
    open_loads = ops.open_loads(source.name)
    if not open_loads:
        return
    present = find_loads_with_rows(settings, source)
    for load in open_loads:
        if load["load_id"] not in present:
            reason = "later loads replaced all of its rows"
            ops.decide_load(source.name, load["load_id"], LoadState.SUPERSEDED, reason)


def settle_loads(settings: Settings, ops: Ops, source: Source) -> int:
    """Remove what loads that passed have replaced; staging reads the rows of every load that passed.

    A kill between a decision and this is completed by the next call.

    Args:
        settings: Whose raw file is changed.
        ops: The decisions.
        source: The source; the caller holds its lock.

    Returns:
        How many rows were removed.
    """
    upgrade_raw_file(settings, source)
    removed = remove_replaced_rows(settings, source, ops.passed_loads(source.name))
    mark_superseded_loads(settings, ops, source)
    return removed


def find_origin(settings: Settings, source: Source) -> str | None:
    """Whether the rows of a source are `live` or `sample`; None where nothing was loaded."""
    found = query_raw(settings, source, "select origin from raw.provider")
    return str(found[0][0]) if found else None


def find_pending_loads(settings: Settings, ops: Ops, source: Source) -> list[str]:
    """Loads with rows in the raw file that have neither passed nor been accepted."""
    passed = ops.passed_loads(source.name)
    return [load_id for load_id in find_present_loads(settings, source) if load_id not in passed]
