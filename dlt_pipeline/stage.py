"""The staging area of one load: rows wait here, on disk, until they are counted and their keys are checked.

dlt merges Arrow batches without checking keys, so a null or duplicate key would be loaded unnoticed. Rows therefore go
through a DuckDB file of their own load first, which also keeps memory constant however large a provider's file is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from data_stack.errors import TerminalError
from data_stack.settings import Settings
from dlt_pipeline.tables import REJECTS, RawTable

BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Counts:
    """Rows of one source file: read = loaded + rejected + repeated, where repeated are the duplicate rows."""

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
        batch: File (or request) of the provider.
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
    """Staged tables of one load; made by `open_stage`."""

    def __init__(self, db: duckdb.DuckDBPyConnection, tables: tuple[RawTable, ...]) -> None:
        self._db = db
        self._tables = {table.name: table for table in tables}
        self.main = tables[0]
        self._read: dict[str, int] = {}
        self._repeated: dict[str, int] = {}
        for table in tables:
            empty = table.schema.empty_table()  # noqa: F841 - read by name in the SQL
            db.execute(f"create table {table.name} as select *, 0::bigint as stage_order from empty")

    def write_rows(self, table: RawTable, rows: pa.Table | list[dict[str, Any]]) -> None:
        """Stage rows of a table.

        Args:
            table: One of the source's tables.
            rows: Columns with the names of the table's schema, which are cast to its types; or a few rows as dicts by
                column, where a column that is left out is null.
        """
        if isinstance(rows, list):
            rows = pa.Table.from_pylist(rows, schema=table.schema)
        batch = rows.select(table.schema.names).cast(table.schema)  # noqa: F841 - read by name in the SQL
        names = ", ".join(table.schema.names)
        staged = self.count_rows(table)
        self._db.execute(f"insert into {table.name} select {names}, {staged} + row_number() over () from batch")

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
        names = self.main.schema.names
        places = [name if name in names else f"null as {name}" for name in ("source_member", "source_line")]
        content = f"hash({', '.join(name for name in names if name not in ('source_member', 'source_line'))})"
        self._db.execute(
            f"create temp table repeated as select rowid as staged_row, batch, {', '.join(places)},"
            f" {content} != first_value({content}) over same_key as differs"
            f" from {self.main.name} window same_key as (partition by {', '.join(self.main.key)} order by stage_order)"
            " qualify row_number() over same_key > 1"
        )
        self._db.execute(f"delete from {self.main.name} where rowid in (select staged_row from repeated)")
        self._db.execute(
            "insert into rejects (batch, source_member, source_line, reason)"
            " select batch, source_member, source_line, 'an earlier row has its key and other values'"
            " from repeated where differs"
        )
        duplicates = self.query("select batch, count(*) from repeated where not differs group by all")
        self._repeated = {str(file): int(str(rows)) for file, rows in duplicates}

    def count_file(self, batch: str) -> Counts:
        """Count the staged rows of one file."""
        return Counts(
            read=self._read.get(batch, 0),
            loaded=self.count_rows(self.main, batch),
            rejected=self.count_rows(REJECTS, batch),
            repeated=self._repeated.get(batch, 0),
        )

    def describe_file(self, batch: str) -> dict[str, Any]:
        """Columns that every table of files has: the counts of the file, and the time of this load (naive UTC)."""
        counts = {f"rows_{name}": rows for name, rows in asdict(self.count_file(batch)).items()}
        return {"batch": batch, **counts, "loaded_at_utc": datetime.now(UTC).replace(tzinfo=None)}

    def count_rows(self, table: RawTable, batch: str | None = None) -> int:
        """Count the staged rows of a table, or those of one file in it."""
        condition, parameters = ("true", []) if batch is None else ("batch = ?", [batch])
        ((rows,),) = self._db.execute(f"select count(*) from {table.name} where {condition}", parameters).fetchall()
        return int(rows)

    def query(self, sql: str, parameters: list[object] | None = None) -> list[tuple[object, ...]]:
        """Query the staged tables, for example for the dates that a file covers."""
        return self._db.execute(sql, parameters or []).fetchall()

    def read_batches(self, table: RawTable) -> Iterator[pa.Table]:
        """Read staged rows in batches of at most 100,000; a table without rows gives one empty batch with its types."""
        names = ", ".join(table.schema.names)
        with self._db.cursor() as cursor:
            reader = cursor.execute(f"select {names} from {table.name}").fetch_record_batch(BATCH_ROWS)
            empty = True
            for batch in reader:
                empty = False
                yield pa.Table.from_batches([batch]).cast(table.schema)
        if empty:
            yield table.schema.empty_table()

    def check(self, source_name: str, reject_share_max: float) -> Counts:
        """Check that every row is accounted for, that keys are complete and unique, and that few rows were rejected.

        Args:
            source_name: Named in the errors.
            reject_share_max: Share of rejected rows in a file, 0 to 1, above which the load fails.

        Returns:
            The counts of all files together.

        Raises:
            TerminalError: One of these checks failed; nothing has been loaded then.
        """
        total = Counts()
        for file in self._read:
            counts = self.count_file(file)
            self._check_file(source_name, file, counts, reject_share_max)
            total = total + counts
        for table in self._tables.values():
            self._check_keys(source_name, table)
        return total

    def _check_file(self, source_name: str, file: str, counts: Counts, reject_share_max: float) -> None:
        if counts.read != counts.loaded + counts.rejected + counts.repeated:
            raise TerminalError(
                f"{source_name}: {file} has {counts.read} rows, but {counts.loaded} to load, {counts.rejected} rejected"
                f" and {counts.repeated} duplicates do not add up; this is a defect of the reader, please report it"
            )
        if not counts.loaded:
            # a merge without rows would replace nothing and leave the file's earlier version
            raise TerminalError(
                f"{source_name}: all rows of {file} were rejected; ask the provider for a complete file"
            )
        if counts.rejected > reject_share_max * counts.read:
            reasons = self.query(
                "select reason, count(*), min(source_line) from rejects where batch = ?"
                " group by 1 order by 2 desc limit 3",
                [file],
            )
            listed = "; ".join(f"{reason}: {rows} rows, first in line {line}" for reason, rows, line in reasons)
            raise TerminalError(
                f"{source_name}: {counts.rejected} of {counts.read} rows of {file} were rejected, more than the "
                f"{reject_share_max:.1%} that REJECT_SHARE_MAX allows ({listed}); fix the file or raise the setting"
            )

    def _check_keys(self, source_name: str, table: RawTable) -> None:
        if not table.key:
            return
        defect = "this is a defect of the reader, please report it"
        null = " or ".join(f"{column} is null" for column in table.key)
        if self.query(f"select 1 from {table.name} where {null} limit 1"):
            raise TerminalError(f"{source_name}: a row of {table.name} has no {' or '.join(table.key)}; {defect}")
        keys = ", ".join(table.key)
        if self.query(f"select 1 from {table.name} group by {keys} having count(*) > 1 limit 1"):
            raise TerminalError(f"{source_name}: {table.name} has a duplicate key ({keys}); {defect}")


@contextmanager
def open_stage(settings: Settings, source_name: str, tables: tuple[RawTable, ...]) -> Iterator[Stage]:
    """Open an empty staging area for one load; it is removed afterwards.

    Args:
        settings: Its landing folder and `duckdb_memory_limit` are used.
        source_name: Name of the source.
        tables: The source's tables, the main one first.
    """
    folder = settings.landing_dir(source_name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stage.duckdb"
    files = (path, folder / "stage.duckdb.wal")
    try:
        for file in files:
            file.unlink(missing_ok=True)
        with duckdb.connect(str(path), config={"memory_limit": settings.duckdb_memory_limit, "threads": 2}) as db:
            yield Stage(db, tables)
    finally:
        for file in files:
            file.unlink(missing_ok=True)
