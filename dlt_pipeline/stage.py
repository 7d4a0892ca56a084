"""The staging area of one load: rows wait here, on disk, until they are counted and their keys are checked.

dlt loads rows without checking keys, so a null or duplicate key would be loaded unnoticed. Rows are therefore written
as Parquet files first, which DuckDB accounts for and the load reads: memory stays constant however large a file of the
provider is, and a row is written twice, here and into the raw file.
"""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.settings import Settings
from data_stack.versions import FINISHED_LOADS, LOAD_ID, match_columns
from dlt_pipeline.parts import Parts
from dlt_pipeline.tables import REJECTS, RawTable

BATCH_ROWS = 100_000
# where a row came from, which is no part of what it says
_PLACE = frozenset({"batch", "source_member", "source_line"})


@dataclass(frozen=True)
class Counts:
    """Rows of one batch: read = loaded + rejected + repeated.

    Repeated are duplicate rows, in the batch itself or of the version that is loaded already.
    """

    read: int = 0
    loaded: int = 0
    rejected: int = 0
    repeated: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.read + other.read,
            self.loaded + other.loaded,
            self.rejected + other.rejected,
            self.repeated + other.repeated,
        )

    def __str__(self) -> str:
        return (
            f"{self.read:,} rows read: {self.loaded:,} loaded, {self.rejected:,} rejected, {self.repeated:,} duplicates"
        )


class RejectedRowError(Exception):
    """A row is rejected; the message is the reason, without any value of the row."""


@dataclass(frozen=True)
class Reject:
    """A rejected row.

    Attributes:
        batch: What the row came with: a file, a request, a read of a table.
        source_line: Its first physical line, from 1; in the answer of an API the position of the row.
        reason: Why it is rejected, without any value of the row.
        raw_text: The row as it came; it never leaves the raw file.
        source_member: Member of the archive, if the file is an archive.
    """

    batch: str
    source_line: int
    reason: str
    raw_text: str
    source_member: str | None = None


class Stage:
    """Staged tables of one load; made by `open_stage`.

    Attributes:
        main: The table with the rows.
        counts: Rows of all batches, once `check` has found them complete.
        loaded_at_utc: The time of the load (naive UTC).
    """

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        folder: Path,
        settings: Settings,
        source_name: str,
        tables: tuple[RawTable, ...],
        loaded_at_utc: datetime,
    ) -> None:
        self._db = db
        self._settings = settings
        self._source_name = source_name
        self.loaded_at_utc = loaded_at_utc
        self._tables = {table.name: table for table in tables}
        self.main = tables[0]
        self.counts: Counts | None = None
        self._read: dict[str, int] = {}
        self._repeated: dict[str, int] = {}
        self._is_unique = False
        self._folder = folder
        # another path in each load, because DuckDB caches the bytes of files by their paths
        own = time.time_ns()
        self._parts = {table.name: Parts(folder / f"{table.name}-{own}", table) for table in tables}
        for name, parts in self._parts.items():
            db.execute(f"create view {name} as {parts.select_in_order()}")

    def write_rows(self, table: RawTable, rows: pa.Table | list[dict[str, Any]]) -> None:
        """Stage rows of a table.

        Args:
            table: One of the source's tables.
            rows: Columns with the names of the table's schema, which are cast to its types; or a few rows as dicts by
                column, where a column that is left out is null.
        """
        if isinstance(rows, list):
            rows = pa.Table.from_pylist(rows, schema=table.schema)
        self._parts[table.name].append(rows)
        self._is_unique = self._is_unique and table is not self.main

    def write_items(self, rows: list[dict[str, Any]], batch: str) -> None:
        """Stage rows of the main table as a dlt resource gives them, and count them as read.

        Args:
            rows: Rows without the column `batch`; a row that does not fit the types of the schema is rejected.
            batch: What the rows came with.

        Raises:
            TerminalError: A column is not in the schema of the table.
        """
        unknown = {name for row in rows for name in row} - set(self.main.schema.names)
        if unknown:
            raise TerminalError(
                f"{self._source_name}: {', '.join(sorted(unknown))} of the resource is not in {self.main.name}; add it "
                "to the schema of the table, or leave it out in the resource"
            )
        first = self.count_read(batch, len(rows)) - len(rows)
        rows = [row | {"batch": batch} for row in rows]
        try:
            self.write_rows(self.main, rows)
        except (pa.ArrowException, TypeError, ValueError):
            self._write_items_one_by_one(rows, batch, first)

    def _write_items_one_by_one(self, rows: list[dict[str, Any]], batch: str, first: int) -> None:
        good, rejects = [], []
        for position, row in enumerate(rows, first + 1):
            misfits = [field.name for field in self.main.schema if not _fits(row.get(field.name), field.type)]
            if misfits:
                reason = f"{', '.join(misfits)} does not fit the type of the column"
                rejects.append(Reject(batch, position, reason, json.dumps(row, default=str)))
            else:
                good.append(row)
        self.write_rows(self.main, good)
        self.write_rejects(rejects)

    def write_rejects(self, rejects: list[Reject]) -> None:
        """Stage rejected rows."""
        if rejects:
            self.write_rows(REJECTS, [asdict(reject) for reject in rejects])

    def count_read(self, batch: str, rows: int) -> int:
        """Count rows that the reader saw in a file, before any of them is judged; calls add up.

        Returns:
            All rows of the file that have been counted so far.
        """
        self._read[batch] = self._read.get(batch, 0) + rows
        return self._read[batch]

    def drop_duplicates(self) -> None:
        """Keep the first of the rows with the same key in the main table.

        The others are counted as duplicates if all their values are the same, and rejected if any value differs.
        """
        self._is_unique = not self._find_shared_hashes(self.main)
        if not self._is_unique:
            self._find_repeated()
            self._parts[self.main.name].remove(self._db, "stage_order in (select stage_order from repeated)")
            rejects = self._query_arrow(
                "select batch, source_member, source_line, 'an earlier row has its key and other values' as reason,"
                " null::varchar as raw_text from repeated where differs order by stage_order"
            )
            self.write_rows(REJECTS, rejects)
            self._count_repeated("select batch, count(*) from repeated where not differs group by all")

    def _find_shared_hashes(self, table: RawTable) -> bool:
        """Find the hashes that more than one row's key has, as `shared`: equal keys have equal hashes.

        Sorting numbers needs a tenth of the memory of grouping keys.
        """
        keys = self._query_arrow(f"select hash({', '.join(table.key)}) as key_hash from {table.name}")
        hashes = pl.DataFrame(keys)["key_hash"].sort()
        shared = hashes.filter(hashes == hashes.shift()).unique().to_frame()
        found = shared.to_arrow()  # noqa: F841 - read by name in the SQL
        self._db.execute("create or replace temp table shared as select key_hash from found")
        return not shared.is_empty()

    def _find_repeated(self) -> None:
        """Find the rows of the main table whose key an earlier row has, as `repeated`."""
        names, keys = self.main.schema.names, ", ".join(self.main.key)
        places = [name if name in names else f"null as {name}" for name in ("source_member", "source_line")]
        content = f"hash({', '.join(name for name in names if name not in _PLACE)})"
        self._db.execute(
            f"create or replace temp table repeated as select stage_order, batch, {', '.join(places)},"
            f" {content} != first_value({content}) over same_key as differs from {self.main.name}"
            f" where hash({keys}) in (select key_hash from shared)"
            f" window same_key as (partition by {keys} order by stage_order)"
            " qualify row_number() over same_key > 1"
        )

    def drop_unchanged(self, raw_file: Path, replaces: tuple[str, ...]) -> None:
        """Drop rows that the raw file has already, so that asking again for the same rows makes no new load.

        Rows are compared in groups of what a load replaces, such as all rows of a day, in all tables that have its
        columns. A group is dropped as a whole or not at all, because a load replaces whole groups. It is compared with
        the latest version in the raw file, whether that passed its gate or not.

        Args:
            raw_file: The source's raw file; nothing is dropped if it does not have the tables yet.
            replaces: The columns that make a group.
        """
        if not raw_file.exists():
            return
        tables = self._find_versioned_tables(replaces)
        self._db.execute(f"attach '{raw_file}' as stored (read_only)")
        try:
            known = self.query("select table_name from duckdb_tables() where database_name = 'stored'")
            if not {(table.name,) for table in tables} <= set(known):
                return
            self._find_unchanged_groups(tables, replaces)
        finally:
            self._db.execute("detach stored")
        is_unchanged = f"exists (select 1 from unchanged where {match_columns(replaces, 'unchanged', 'staged')})"
        self._count_repeated(
            f"select batch, count(*) from {self.main.name} as staged where {is_unchanged} group by all"
        )
        if self.query("select 1 from unchanged limit 1"):
            for table in tables:
                self._parts[table.name].remove(self._db, is_unchanged)

    def _find_unchanged_groups(self, tables: Sequence[RawTable], replaces: tuple[str, ...]) -> None:
        names, staged = ", ".join(replaces), " union all ".join(_fingerprint(table, replaces) for table in tables)
        groups = " union ".join(f"select {names} from {table.name}" for table in tables)
        self._db.execute(f"create temp table groups as select distinct {names} from ({groups})")
        in_groups = match_columns(replaces, "groups", "rows")
        stored = " union all ".join(
            _fingerprint(table, (*replaces, LOAD_ID), "stored.raw.", f"semi join groups on {in_groups}")
            for table in tables
        )
        self._db.execute(
            "create temp table unchanged as"
            f" with versions as (select {names}, {LOAD_ID}, sum(print) as print from ({stored}) group by all),"
            f" finished as ({FINISHED_LOADS.format(catalog='stored.')}),"
            f" latest as (select * from versions join finished on load_id = {LOAD_ID}"
            f" qualify row_number() over (partition by {names} order by position desc) = 1),"
            f" staged as (select {names}, sum(print) as print from ({staged}) group by all)"
            f" select {names} from staged semi join latest on staged.print = latest.print"
            f" and {match_columns(replaces, 'staged', 'latest')}"
        )

    def _count_repeated(self, sql: str) -> None:
        for batch, rows in self.query(sql):
            self._repeated[str(batch)] = self._repeated.get(str(batch), 0) + int(str(rows))

    def is_empty(self, replaces: tuple[str, ...]) -> bool:
        """Whether there is nothing to load: no row in any table that has these columns."""
        return not any(self.count_rows(table) for table in self._find_versioned_tables(replaces))

    def _find_versioned_tables(self, replaces: tuple[str, ...]) -> list[RawTable]:
        return [table for table in self._tables.values() if set(replaces) <= set(table.schema.names)]

    def count_batch(self, batch: str) -> Counts:
        """Count the staged rows of one batch."""
        return Counts(
            read=self._read.get(batch, 0),
            loaded=self.count_rows(self.main, batch),
            rejected=self.count_rows(REJECTS, batch),
            repeated=self._repeated.get(batch, 0),
        )

    def describe_file(self, batch: str) -> dict[str, Any]:
        """Columns that every table of files has: the counts of the file, and the time of this load (naive UTC)."""
        counts = {f"rows_{name}": rows for name, rows in asdict(self.count_batch(batch)).items()}
        return {"batch": batch, **counts, "loaded_at_utc": self.loaded_at_utc}

    def count_rows(self, table: RawTable, batch: str | None = None) -> int:
        """Count the staged rows of a table, or those of one file in it."""
        condition = "true" if batch is None else "batch = ?"
        parameters: list[object] | None = None if batch is None else [batch]
        ((rows,),) = self.query(f"select count(*) from {table.name} where {condition}", parameters)
        return int(str(rows))

    def query(self, sql: str, parameters: list[object] | None = None) -> list[tuple[object, ...]]:
        """Query the staged tables, for example for the dates that a file covers."""
        self._flush()
        return self._db.execute(sql, parameters or []).fetchall()

    def _query_arrow(self, sql: str) -> pa.Table:
        self._flush()
        return self._db.execute(sql).to_arrow_table()

    def _flush(self) -> None:
        """Make all staged rows readable by SQL."""
        for parts in self._parts.values():
            parts.flush()

    def write_model(self, table: RawTable) -> Path:
        """Write the query of a table's staged rows as a file that dlt can import and run where it loads.

        Returns:
            The file, in dlt's format `model`.
        """
        self._flush()
        model = self._folder / f"{table.name}.model"
        model.write_text(f"dialect: duckdb\n{self._parts[table.name].select()}\n", encoding="utf-8")
        return model

    def check(self) -> Counts:
        """Check that every row is accounted for, that keys are complete and unique, and that few rows were rejected.

        Returns:
            The counts of all batches together.

        Raises:
            TerminalError: One of these checks failed; nothing has been loaded then.
        """
        total = Counts()
        for batch in self._read:
            counts = self.count_batch(batch)
            self._check_batch(batch, counts)
            total = total + counts
        for table in self._tables.values():
            self._check_keys(table)
        self.counts = total
        return total

    def _check_batch(self, batch: str, counts: Counts) -> None:
        if counts.read != counts.loaded + counts.rejected + counts.repeated:
            raise TerminalError(
                f"{self._source_name}: {batch} has {counts.read} rows, but {counts.loaded} to load, {counts.rejected} "
                f"rejected and {counts.repeated} duplicates do not add up; this is a defect of the reader, please "
                "report it"
            )
        limit = self._settings.reject_share_max
        if counts.rejected and counts.rejected == counts.read:
            raise TerminalError(
                f"{self._source_name}: all {counts.read} rows of {batch} were rejected "
                f"({self._list_reasons(batch)}); ask the provider for a readable version"
            )
        # one unreadable row of ten says little about the batch
        if counts.rejected >= self._settings.reject_count_min and counts.rejected > limit * counts.read:
            raise TerminalError(
                f"{self._source_name}: {counts.rejected} of {counts.read} rows of {batch} were rejected, more than the "
                f"{limit:.1%} that REJECT_SHARE_MAX allows ({self._list_reasons(batch)}); fix it or raise the setting"
            )

    def _list_reasons(self, batch: str) -> str:
        """The most frequent reasons of the rejects of a batch, without any value of a row."""
        reasons = self.query(
            "select reason, count(*), min(source_line) from rejects where batch = ?"
            " group by 1 order by 2 desc, 1 limit 3",
            [batch],
        )
        return "; ".join(f"{reason}: {rows} rows, first in line {line}" for reason, rows, line in reasons)

    def _check_keys(self, table: RawTable) -> None:
        if not table.key:
            return
        defect = "this is a defect of the reader, please report it"
        null = " or ".join(f"{column} is null" for column in table.key)
        if self.query(f"select 1 from {table.name} where {null} limit 1"):
            raise TerminalError(f"{self._source_name}: a row of {table.name} has no {' or '.join(table.key)}; {defect}")
        keys = ", ".join(table.key)
        if (table is self.main and self._is_unique) or not self._find_shared_hashes(table):
            return
        shared = f"hash({keys}) in (select key_hash from shared)"
        if self.query(f"select 1 from {table.name} where {shared} group by {keys} having count(*) > 1 limit 1"):
            raise TerminalError(f"{self._source_name}: {table.name} has a duplicate key ({keys}); {defect}")


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.scalar(value, kind)
    except (pa.ArrowException, TypeError, ValueError):
        return False
    return True


def _fingerprint(table: RawTable, group: tuple[str, ...], catalog: str = "", join: str = "") -> str:
    """Select a number per group that differs if a value of any of its rows does; their order does not count."""
    content = ", ".join([f"'{table.name}'", *(name for name in table.schema.names if name not in _PLACE)])
    columns = ", ".join(f"rows.{name}" for name in group)
    return f"select {columns}, sum(hash({content})) as print from {catalog}{table.name} as rows {join} group by all"


@contextmanager
def open_stage(
    settings: Settings, source_name: str, tables: tuple[RawTable, ...], loaded_at_utc: datetime | None = None
) -> Iterator[Stage]:
    """Open an empty staging area for one load; it is removed afterwards, with whatever else is in its folder.

    Args:
        settings: Its folder of temporary files, `duckdb_memory_limit` and what it allows of rejects are used.
        source_name: Name of the source.
        tables: The source's tables, the main one first.
        loaded_at_utc: The time of the load (naive UTC), which a replay repeats; None is now.
    """
    folder = settings.stage_dir(source_name)
    # a killed load leaves its files
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        loaded_at_utc = loaded_at_utc or datetime.now(UTC).replace(tzinfo=None)
        memory, spill = settings.duckdb_memory_limit, str(folder / "spill")
        with connect_duckdb(memory_limit=memory, temp_directory=spill, threads=2) as db:
            # parts are rewritten under their names
            db.execute("set enable_external_file_cache = false")
            yield Stage(db, folder, settings, source_name, tables, loaded_at_utc)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
