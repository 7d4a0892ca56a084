"""The staging area of one load: rows wait here, on disk, until they are counted and their keys are checked.

dlt merges Arrow batches without looking at keys: a null or repeated key passes silently. So rows go through a
DuckDB file of the load's own first, which keeps memory flat however large a provider's file is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data_stack.errors import TerminalError
from data_stack.settings import Settings
from dlt_pipeline.tables import REJECTS, RawTable

BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Counts:
    """Rows of one source file: read = loaded + rejected + repeated."""

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
            f"{self.read:,} rows read: {self.loaded:,} loaded, {self.rejected:,} rejected, {self.repeated:,} repeated"
        )


@dataclass(frozen=True)
class Reject:
    """A row that could not be read.

    Attributes:
        source_file: File (or request) of the provider.
        source_line: Its first physical line, from 1; in an answer of an API the position of the row.
        reason: Words without any value of the row.
        raw_text: The row as it came; it never leaves the raw file.
        source_member: Member of the archive, where the file is one.
    """

    source_file: str
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

    def write(self, table: RawTable, rows: pa.Table) -> None:
        """Stage rows of a table.

        Args:
            table: One of the source's tables.
            rows: Columns by the names of the table's schema; cast to its types.
        """
        batch = rows.select(table.schema.names).cast(table.schema)  # noqa: F841 - read by name in the SQL
        names = ", ".join(table.schema.names)
        start = self._db.execute(f"select count(*) from {table.name}").fetchone()
        self._db.execute(
            f"insert into {table.name} select {names}, {start[0] if start else 0} + row_number() over () from batch"
        )

    def write_rows(self, table: RawTable, rows: list[dict[str, Any]]) -> None:
        """Stage a few rows given as dicts by column; a column that a row leaves out is null."""
        self.write(table, pa.Table.from_pylist(rows, schema=table.schema))

    def reject(self, rejects: list[Reject]) -> None:
        """Stage rows that could not be read."""
        if rejects:
            self.write_rows(REJECTS, [asdict(reject) for reject in rejects])

    def count_read(self, source_file: str, rows: int) -> None:
        """Say how many rows the reader saw in a file, whatever became of them; calls add up."""
        self._read[source_file] = self._read.get(source_file, 0) + rows

    def rows_read(self, source_file: str) -> int:
        """Rows read in a file so far."""
        return self._read.get(source_file, 0)

    def drop_repeated(self) -> None:
        """Keep the first of the rows with the same key in the main table.

        The others are counted as repeated where they say the same, and rejected where they say something else.
        """
        names = self.main.schema.names
        places = [name if name in names else f"null as {name}" for name in ("source_member", "source_line")]
        content = f"hash({', '.join(name for name in names if name not in ('source_member', 'source_line'))})"
        self._db.execute(
            f"create temp table repeated as select rowid as staged_row, source_file, {', '.join(places)},"
            f" {content} != first_value({content}) over same_key as differs"
            f" from {self.main.name} window same_key as (partition by {', '.join(self.main.key)} order by stage_order)"
            " qualify row_number() over same_key > 1"
        )
        self._db.execute(f"delete from {self.main.name} where rowid in (select staged_row from repeated)")
        self._db.execute(
            "insert into rejects (source_file, source_member, source_line, reason)"
            " select source_file, source_member, source_line, 'an earlier row has its key and other values'"
            " from repeated where differs"
        )
        counted = self._db.execute(
            "select source_file, count(*) from repeated where not differs group by all"
        ).fetchall()
        self._repeated = dict(counted)

    def counts(self, source_file: str) -> Counts:
        """Counts of one file, taken from what is staged."""
        return Counts(
            read=self.rows_read(source_file),
            loaded=self._count(self.main, source_file),
            rejected=self._count(REJECTS, source_file),
            repeated=self._repeated.get(source_file, 0),
        )

    def file_record(self, source_file: str) -> dict[str, Any]:
        """What a table of files says of every file: its counts, and that it is loaded now, naive UTC."""
        counts = {f"rows_{name}": rows for name, rows in asdict(self.counts(source_file)).items()}
        return {"source_file": source_file, **counts, "loaded_at_utc": datetime.now(UTC).replace(tzinfo=None)}

    def _count(self, table: RawTable, source_file: str) -> int:
        found = self._db.execute(f"select count(*) from {table.name} where source_file = ?", [source_file]).fetchone()
        return int(found[0]) if found else 0

    def files(self) -> list[str]:
        """Files that were read in this load, in reading order."""
        return list(self._read)

    def rows(self, table: RawTable) -> int:
        """Staged rows of a table."""
        found = self._db.execute(f"select count(*) from {table.name}").fetchone()
        return int(found[0]) if found else 0

    def query(self, sql: str, parameters: list[object] | None = None) -> list[tuple[object, ...]]:
        """Ask the staged tables, for example for the dates that a file covers."""
        return self._db.execute(sql, parameters or []).fetchall()

    def batches(self, table: RawTable) -> Iterator[pa.Table]:
        """Staged rows in batches of at most 100,000; one empty batch where there are none, which carries the types."""
        names = ", ".join(table.schema.names)
        with self._db.cursor() as cursor:
            reader = cursor.execute(f"select {names} from {table.name}").fetch_record_batch(BATCH_ROWS)
            empty = True
            for batch in reader:
                empty = False
                yield pa.Table.from_batches([batch]).cast(table.schema)
        if empty:
            yield table.schema.empty_table()

    def check(self, source: str, reject_share_max: float) -> Counts:
        """Check that every row is accounted for, that keys are whole, and that few rows were rejected.

        Args:
            source: Named in the errors.
            reject_share_max: Share of rejected rows in a file, 0 to 1, above which the load fails.

        Returns:
            The counts of all files together.

        Raises:
            TerminalError: Something of that does not hold; nothing has been loaded then.
        """
        total = Counts()
        for file in self.files():
            counts = self.counts(file)
            _check_counts(source, file, counts)
            if not counts.loaded:
                # a merge without rows would replace nothing and leave the file's earlier version
                raise TerminalError(f"{source}: no row of {file} can be read; ask the provider for a whole one")
            self._check_rejects(source, file, counts, reject_share_max)
            total = total + counts
        for table in self._tables.values():
            self._check_keys(source, table)
        return total

    def _check_rejects(self, source: str, file: str, counts: Counts, share_max: float) -> None:
        if counts.rejected <= share_max * counts.read:
            return
        reasons = self.query(
            "select reason, count(*), min(source_line) from rejects where source_file = ?"
            " group by 1 order by 2 desc limit 3",
            [file],
        )
        words = "; ".join(f"{reason}: {rows} rows, first in line {line}" for reason, rows, line in reasons)
        raise TerminalError(
            f"{source}: {counts.rejected} of {counts.read} rows of {file} cannot be read, more than the "
            f"{share_max:.1%} that REJECT_SHARE_MAX allows ({words}); mend the file or raise the setting"
        )

    def _check_keys(self, source: str, table: RawTable) -> None:
        if not table.key:
            return
        null = " or ".join(f"{column} is null" for column in table.key)
        if self.query(f"select 1 from {table.name} where {null} limit 1"):
            raise TerminalError(
                f"{source}: a row of {table.name} has no {' or '.join(table.key)}; the reader let it through"
            )
        keys = ", ".join(table.key)
        if self.query(f"select 1 from {table.name} group by {keys} having count(*) > 1 limit 1"):
            raise TerminalError(f"{source}: {table.name} repeats a key ({keys}); the reader let it through")


def _check_counts(source: str, file: str, counts: Counts) -> None:
    if counts.read != counts.loaded + counts.rejected + counts.repeated:
        raise TerminalError(
            f"{source}: {file} has {counts.read} rows, but {counts.loaded} to load, {counts.rejected} rejected and "
            f"{counts.repeated} repeated do not add up; this is a defect of the reader, please report it"
        )


@contextmanager
def open_stage(settings: Settings, source: str, tables: tuple[RawTable, ...]) -> Iterator[Stage]:
    """Open an empty staging area for one load; it is removed afterwards.

    Args:
        settings: Its landing folder and `duckdb_memory_limit` are used.
        source: Name of the source.
        tables: The source's tables, the main one first.
    """
    path = settings.landing_dir(source) / "stage.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    try:
        with duckdb.connect(str(path), config={"memory_limit": settings.duckdb_memory_limit, "threads": 2}) as db:
            yield Stage(db, tables)
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    for file in (path, path.with_name(path.name + ".wal")):
        file.unlink(missing_ok=True)
