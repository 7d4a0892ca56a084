"""Which loads have passed their gate: what the raw files hold, against what `ops` has decided."""

from collections.abc import Iterable

from data_stack.errors import GateFailedError, TerminalError
from data_stack.ops import Ops
from data_stack.raw import raw_query
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings


def present_loads(settings: Settings, source: Source) -> list[str]:
    """Loads that still have rows in the raw file, oldest first; none where the source was never loaded.

    Raises:
        TerminalError: Rows of a load that never finished (a crash in the middle) are there.
    """
    found = raw_query(settings, source.name, f"select distinct _dlt_load_id from raw.{source.table} order by 1")
    finished = set(raw_query(settings, source.name, "select load_id from raw._dlt_loads where status = 0"))
    loads = [load for (load,) in found]
    if unfinished := [load for load in loads if (load,) not in finished]:
        raise TerminalError(
            f"{source.name}: load {unfinished[0]} was interrupted; `data-stack ingest {source.name}` finishes it"
        )
    return loads


def recorded_origin(settings: Settings, source: Source) -> str | None:
    """Whether the rows of a source are `live` or `sample`, as its raw file remembers; None where nothing was loaded."""
    found = raw_query(settings, source.name, "select origin from raw.provider")
    return str(found[0][0]) if found else None


def pending_loads(settings: Settings, ops: Ops, source: Source) -> list[str]:
    """Loads with rows in the raw file that have not passed and were not accepted."""
    decided = ops.decided_loads(source.name)
    return [load for load in present_loads(settings, source) if load not in decided]


def require_passed(settings: Settings, ops: Ops, sources: Iterable[Source] = SOURCES) -> None:
    """Refuse to go on while a load has not passed: its file's earlier rows are already replaced in the raw tables.

    Raises:
        GateFailedError: Names the first such load and what to do.
    """
    for source in sources:
        for load in pending_loads(settings, ops, source):
            raise GateFailedError(
                f"{source.name}: load {load} has not passed its gate; run `data-stack validate {source.name}`, "
                f'or let it through with `data-stack accept {load} --reason "..."`'
            )
