"""Which loads have passed their gate: what the raw files hold, against what `ops` has decided."""

from collections.abc import Iterable

import duckdb

from data_stack.errors import GateFailedError, TerminalError
from data_stack.ops import Ops
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings


def has_tables(settings: Settings, name: str) -> bool:
    """Whether the raw file of a source has its tables; a kill during the first load leaves a file without any."""
    raw_file = settings.raw_file(name)
    if not raw_file.exists():
        return False
    with duckdb.connect(str(raw_file), read_only=True) as db:
        return bool(db.execute("select 1 from information_schema.tables where table_schema = 'raw' limit 1").fetchall())


def present_loads(settings: Settings, source: Source) -> list[str]:
    """Loads that still have rows in the raw file, oldest first; none where the source was never loaded.

    Raises:
        TerminalError: Rows of a load that never finished (a crash in the middle) are there.
    """
    if not has_tables(settings, source.name):
        return []
    with duckdb.connect(str(settings.raw_file(source.name)), read_only=True) as db:
        found = db.execute(f"select distinct _dlt_load_id from raw.{source.table} order by 1").fetchall()
        finished = {row[0] for row in db.execute("select load_id from raw._dlt_loads where status = 0").fetchall()}
    loads = [row[0] for row in found]
    if unfinished := [load for load in loads if load not in finished]:
        raise TerminalError(
            f"{source.name}: load {unfinished[0]} was interrupted; `data-stack ingest {source.name}` finishes it"
        )
    return loads


def recorded_origin(settings: Settings, source: Source) -> str | None:
    """Whether the rows of a source are `live` or `sample`, as its raw file remembers; None where nothing was loaded."""
    if not has_tables(settings, source.name):
        return None
    with duckdb.connect(str(settings.raw_file(source.name)), read_only=True) as db:
        found = db.execute("select origin from raw.provider").fetchone()
    return str(found[0]) if found else None


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
