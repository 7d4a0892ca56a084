"""Writing the lake: its state of a source follows from the raw file and the decisions on its loads.

The caller holds the lock of the raw file and has called `settle_loads`, so the raw file has exactly the current rows.
Rows of a load never change, they only go when a later load replaces them. So a load, a batch, a number of rows and the
columns identify the content of a file, and its name is made from them: what is written twice is the same file.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data_stack.errors import TerminalError, TransientError
from data_stack.lake.lake import Current, Lake
from data_stack.lake.manifest import LakeFile, LakeLoad, LakeTable, Manifest
from data_stack.ops import Ops, new_id, utc_now
from data_stack.raw import read_raw
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.versions import FINISHED_LOADS, LOAD_ID

SPLIT_ROWS = 100_000
"""A load with so many rows in a table has one file per batch there, so that a corrected batch replaces only its own."""

_ATTEMPTS = 5
_BATCH = "batch"
# what ingestion keeps for itself: text that could not be read, and the provider
_LEFT_OUT = ("provider", "rejects")
_LOADS = "_dlt_loads"
# in the order of the columns, which a list in an aggregate does not keep by itself
_COLUMNS = """
select table_name, list(column_name order by column_index), list(data_type order by column_index)
from duckdb_columns()
where database_name = current_database() and schema_name = 'raw'
group by table_name
order by table_name
"""


@dataclass(frozen=True)
class SyncReport:
    """What was written of a source.

    Attributes:
        source_name: The source.
        manifest_id: The current manifest.
        files: Files that were written.
        rows: Rows in them.
        size_bytes: Bytes in them.
        has_changed: Whether the manifest is a new one.
        downloads: Downloads that were copied; None where they stay on this machine.
    """

    source_name: str
    manifest_id: str | None
    files: int
    rows: int
    size_bytes: int
    has_changed: bool
    downloads: int | None = None

    def summary(self) -> str:
        """What was written, for people."""
        copied = "" if self.downloads is None else f"; {self.downloads} downloads copied"
        if not self.has_changed:
            return f"the lake has this state already{copied}"
        return f"{self.files} files with {self.rows:,} rows written; manifest {self.manifest_id}{copied}"


@dataclass(frozen=True)
class _Rows:
    """Rows of a load in a table that go into one file; `batch` is set where the load is split."""

    table: str
    load_id: str
    batch: str | None
    is_split: bool
    batches: tuple[str, ...]
    rows: int

    def choose_path(self, source_name: str, columns: dict[str, str]) -> str:
        described = json.dumps([self.is_split, self.batch, self.rows, list(columns.items())])
        version = hashlib.sha256(described.encode()).hexdigest()[:12]
        return f"{source_name}/{self.table}/{self.load_id}/{version}/part-00000.parquet"

    def select(self) -> tuple[str, list[str | None]]:
        of_batch = f" and {_BATCH} is not distinct from ?" if self.is_split else ""
        parameters = [self.load_id, *([self.batch] if self.is_split else [])]
        return f"select * from raw.{self.table} where {_load_column(self.table)} = ?{of_batch}", parameters


@dataclass(frozen=True)
class _State:
    """What the lake should have of a source."""

    loads: tuple[LakeLoad, ...]
    columns: dict[str, dict[str, str]]
    rows: list[_Rows]


def sync_source(lake: Lake, settings: Settings, ops: Ops, source: Source, take_over: bool = False) -> SyncReport:
    """Write what passed and is not in the lake, and make a manifest of it; the same state again writes nothing.

    Args:
        lake: The lake.
        settings: Whose raw file is read.
        ops: Which loads have passed.
        source: The source; the caller holds its lock and has settled its loads.
        take_over: Replace what another platform has written, or this one before its run records were lost.

    Raises:
        TerminalError: The lake has loads that the run records do not know, or refuses access.
        TransientError: The lake does not answer, or others replaced the manifest again and again.
    """
    for _ in range(_ATTEMPTS):
        current = lake.read_current(source.name)
        if current and not take_over:
            require_known_loads(lake, ops, source.name, [load.load_id for load in current.manifest.loads])
        report = _write_state(lake, settings, ops, source, current)
        if report:
            return report
    raise TransientError(
        f"{source.name}: another process replaced the manifest in {lake.root} {_ATTEMPTS} times in between; see that "
        "one platform writes the lake, and run `data-stack lake sync`"
    )


def _write_state(
    lake: Lake, settings: Settings, ops: Ops, source: Source, current: Current | None
) -> SyncReport | None:
    """Write one state; None if somebody else replaced the manifest meanwhile."""
    present = current.manifest if current else None
    with read_raw(settings, source) as db:
        state = _find_state(db, ops.passed_loads(source.name), present)
        tables, written = _write_missing(lake, settings, db, source, state, present)
    if present.has_content_of(state.loads, tables) if present else not tables:
        return SyncReport(source.name, present.manifest_id if present else None, 0, 0, 0, has_changed=False)
    manifest = Manifest(
        source_name=source.name,
        manifest_id=new_id(),
        previous=present.manifest_id if present else None,
        written_at_utc=utc_now(),
        loads=state.loads,
        tables=tables,
    )
    if not lake.replace_current(manifest, current):
        return None
    sums = sum(file.rows for file in written), sum(file.size_bytes for file in written)
    return SyncReport(source.name, manifest.manifest_id, len(written), *sums, has_changed=True)


def _write_missing(
    lake: Lake,
    settings: Settings,
    db: duckdb.DuckDBPyConnection | None,
    source: Source,
    state: _State,
    present: Manifest | None,
) -> tuple[dict[str, LakeTable], list[LakeFile]]:
    """The tables with all their files, and those of the files that had to be written."""
    known = {file.path: file for file in present.files} if present else {}
    files: dict[str, list[LakeFile]] = {table: [] for table in state.columns}
    written = []
    for rows in state.rows:
        columns = state.columns[rows.table]
        file = known.get(rows.choose_path(source.name, columns))
        if file is None and db:
            file = _write_file(lake, settings, db, source, rows, columns)
            written.append(file)
        if file:
            files[rows.table].append(file)
    tables = {name: LakeTable(columns=columns, files=tuple(files[name])) for name, columns in state.columns.items()}
    return tables, written


def require_known_loads(lake: Lake, ops: Ops, source_name: str, load_ids: Sequence[str]) -> None:
    """Refuse to replace what another platform has written.

    Args:
        lake: The lake.
        ops: The run records of this platform.
        source_name: The source.
        load_ids: Loads that the lake has of it.

    Raises:
        TerminalError: The run records do not know one of them.
    """
    known = {row["load_id"] for row in ops.query("select load_id from loads where source = ?", [source_name])}
    unknown = [load_id for load_id in load_ids if load_id not in known]
    if unknown:
        raise TerminalError(
            f"{source_name}: the lake at {lake.root} has {len(unknown)} loads that the run records do not "
            f"know, such as {unknown[0]}, so another platform writes it or the run records are older; give LAKE_URL a "
            "prefix of its own, or replace what is there with `data-stack lake sync --take-over`"
        )


def _find_state(db: duckdb.DuckDBPyConnection | None, passed: Set[str], present: Manifest | None) -> _State:
    if db is None:
        # the source was reset: what readers expect are its tables, without rows
        columns = {name: table.columns for name, table in present.tables.items()} if present else {}
        return _State((), columns, [])
    order = [load_id for load_id, _ in db.execute(f"{FINISHED_LOADS.format(catalog='')} order by position").fetchall()]
    loads = [load_id for load_id in order if load_id in passed]
    columns = {
        table: dict(zip(names, kinds, strict=True))
        for table, names, kinds in db.execute(_COLUMNS).fetchall()
        if _is_in_lake(table, names)
    }
    rows = [one for table in columns for one in _find_rows(db, table, columns[table], loads)]
    batches: dict[str, set[str]] = {load_id: set() for load_id in loads}
    for one in rows:
        batches[one.load_id].update(one.batches)
    described = tuple(LakeLoad(load_id=name, batches=tuple(sorted(batches[name]))) for name in loads)
    return _State(described, columns, rows)


def _is_in_lake(table: str, names: list[str]) -> bool:
    if table == _LOADS:
        return True
    return LOAD_ID in names and table not in _LEFT_OUT and not table.startswith("_dlt")


def _load_column(table: str) -> str:
    return "load_id" if table == _LOADS else LOAD_ID


def _find_rows(db: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], loads: list[str]) -> Iterator[_Rows]:
    """The files of a table, by load and batch."""
    has_batches = _BATCH in columns
    counted: dict[str, list[tuple[str | None, int]]] = {load_id: [] for load_id in loads}
    for load_id, batch, count in db.execute(
        f"select {_load_column(table)}, {_BATCH if has_batches else 'null::varchar'}, count(*) from raw.{table}"
        " group by 1, 2 order by 1, 2"
    ).fetchall():
        if load_id in counted:
            counted[load_id].append((batch, count))
    for load_id, found in counted.items():
        total = sum(count for _, count in found)
        if has_batches and total >= SPLIT_ROWS:
            for batch, count in found:
                yield _Rows(table, load_id, batch, True, _list_batches([batch]), count)
        elif found:
            yield _Rows(table, load_id, None, False, _list_batches([batch for batch, _ in found]), total)


def _list_batches(batches: list[str | None]) -> tuple[str, ...]:
    return tuple(batch for batch in batches if batch is not None)


def _write_file(
    lake: Lake, settings: Settings, db: duckdb.DuckDBPyConnection, source: Source, rows: _Rows, columns: dict[str, str]
) -> LakeFile:
    """Write one file on this machine first, as its checksum is of what was meant, and not of what arrived."""
    path = rows.choose_path(source.name, columns)
    folder = settings.stage_dir(source.name)
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / "lake.parquet"
    sql, parameters = rows.select()
    db.execute(f"set memory_limit = '{settings.duckdb_memory_limit}'")
    try:
        db.execute(f"copy ({sql}) to '{local}' (format parquet, compression zstd)", parameters)
        file = LakeFile(
            path=path,
            load_id=rows.load_id,
            batches=rows.batches,
            rows=rows.rows,
            size_bytes=local.stat().st_size,
            sha256=_hash_file(local),
        )
        lake.store.upload(path, local)
    finally:
        local.unlink(missing_ok=True)
    return file


def _hash_file(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
