"""The rows of one staged table as Parquet files, which the load reads as they are."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from dlt_pipeline.tables import RawTable

PART_ROWS = 100_000


class Parts:
    """Parquet files with the rows of one table, in the order in which they were written.

    Args:
        folder: Where the files are made: a folder of this table alone.
        table: The table.
    """

    def __init__(self, folder: Path, table: RawTable) -> None:
        folder.mkdir()
        self._folder = folder
        self._names = table.schema.names
        empty = pl.DataFrame(table.schema.empty_table())
        self._types = empty.schema
        # an empty part, so that a table without rows has its types
        self._waiting = [empty]
        self._written = 0

    def append(self, rows: pa.Table) -> None:
        """Add rows; they are on the disk after `flush`.

        Args:
            rows: Columns with the names of the table's schema, which are cast to its types.
        """
        self._waiting.append(pl.DataFrame(rows.select(self._names)).cast(self._types))
        if sum(waiting.height for waiting in self._waiting) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait together: a few rows at a time would make many small files."""
        if self._waiting:
            pl.concat(self._waiting).write_parquet(self._name_part(), compression="lz4")
            self._waiting = []

    def select(self) -> str:
        """Select the rows on the disk in SQL, in the order in which they were written."""
        return f"select {', '.join(self._names)} from read_parquet({self._pattern}, hive_partitioning = false)"

    def select_in_order(self) -> str:
        """Select the rows on the disk in SQL, with `stage_order`: a number that rises from each row to the next."""
        return (
            f"select {', '.join(self._names)}, (parse_filename(filename, true)::bigint << 32) + file_row_number"
            f" as stage_order from read_parquet({self._pattern}, hive_partitioning = false, filename = true,"
            " file_row_number = true)"
        )

    def remove(self, db: duckdb.DuckDBPyConnection, condition: str) -> None:
        """Remove rows.

        Args:
            db: The connection in which the condition is evaluated.
            condition: Which rows, as SQL on `staged`, the rows with their `stage_order`.
        """
        replaced = list(self._folder.glob("*.parquet"))
        # hidden from the pattern until it is complete
        kept = self._name_part().with_suffix(".kept")
        names, target = ", ".join(self._names), _quote(str(kept))
        rest = f"select {names} from ({self.select_in_order()}) as staged where not coalesce({condition}, false)"
        db.execute(f"copy ({rest}) to {target} (format parquet, compression lz4)")
        for part in replaced:
            part.unlink()
        kept.rename(kept.with_suffix(".parquet"))

    @property
    def _pattern(self) -> str:
        return _quote(str(self._folder / "*.parquet"))

    def _name_part(self) -> Path:
        self._written += 1
        return self._folder / f"{self._written:06}.parquet"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
