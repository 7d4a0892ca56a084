"""Which loads have passed their gate: what the raw files contain, compared with what the run records have decided."""

from collections.abc import Iterable

from data_stack.errors import GateFailedError, TerminalError
from data_stack.ops import Ops
from data_stack.raw import query_raw
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings


def find_present_loads(settings: Settings, source: Source) -> list[str]:
    """Loads that still have rows in the raw file, oldest first; none where the source was never loaded.

    Raises:
        TerminalError: Rows of a load that never finished (a crash in between) are there.
    """
    rows = query_raw(settings, source, f"select distinct _dlt_load_id from raw.{source.table} order by 1")
    finished = query_raw(settings, source, "select load_id from raw._dlt_loads where status = 0")
    for row in rows:
        if row not in finished:
            raise TerminalError(
                f"{source.name}: load {row[0]} was interrupted; `data-stack ingest {source.name}` finishes it"
            )
    return [load_id for (load_id,) in rows]


def find_origin(settings: Settings, source: Source) -> str | None:
    """Whether the rows of a source are `live` or `sample`; None where nothing was loaded."""
    found = query_raw(settings, source, "select origin from raw.provider")
    return str(found[0][0]) if found else None


def find_pending_loads(settings: Settings, ops: Ops, source: Source) -> list[str]:
    """Loads with rows in the raw file that have neither passed nor been accepted."""
    passed = ops.passed_loads(source.name)
    return [load_id for load_id in find_present_loads(settings, source) if load_id not in passed]


def require_passed(settings: Settings, ops: Ops, sources: Iterable[Source] = SOURCES) -> None:
    """Stop while a load has not passed: its file's earlier rows are already replaced in the raw tables.

    Raises:
        GateFailedError: Names the first such load and what to do.
    """
    for source in sources:
        for load_id in find_pending_loads(settings, ops, source):
            raise GateFailedError(
                f"{source.name}: load {load_id} has not passed its gate; run `data-stack validate {source.name}`, "
                f'or accept it with `data-stack accept {load_id} --reason "..."`'
            )
