"""The rows of one staged table as Parquet files, which the load reads as they are."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from dlt_pipeline.tables import RawTable

# a row group of DuckDB: a part of any other size would be compressed twice when two threads load
PART_ROWS = 122_880
_PART_NAME = "{:06}.parquet"
# stage_order is the number of the part times this, plus the row in it
_PART_FACTOR = 1_000_000


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
        self._waiting: list[pl.DataFrame] = []
        self._written = 0
        # a table without rows has its types
        empty.write_parquet(self._name_part())

    def append(self, rows: pa.Table) -> None:
        """Add rows; they are on the disk after `flush`.

        Args:
            rows: Columns with the names of the table's schema, which are cast to its types.
        """
        self._waiting.append(pl.DataFrame(rows.select(self._names)).cast(self._types))
        if sum(waiting.height for waiting in self._waiting) >= PART_ROWS:
            waiting = pl.concat(self._waiting)
            complete = waiting.height - waiting.height % PART_ROWS
            self._write(waiting[:complete])
            self._waiting = [waiting[complete:]]

    def flush(self) -> None:
        """Write the rows that wait, although the last part becomes smaller than the others by that."""
        if self._waiting:
            self._write(pl.concat(self._waiting))
            self._waiting = []

    def _write(self, rows: pl.DataFrame) -> None:
        for part in rows.iter_slices(PART_ROWS):
            part.write_parquet(self._name_part(), compression="lz4", row_group_size=PART_ROWS)

    def select(self) -> str:
        """Select the rows on the disk in SQL, in the order in which they were written."""
        return f"select {', '.join(self._names)} from read_parquet({self._pattern}, hive_partitioning = false)"

    def select_in_order(self) -> str:
        """Select the rows on the disk in SQL, with `stage_order`: a number that rises from each row to the next."""
        return (
            f"select {', '.join(self._names)}, parse_filename(filename, true)::bigint * {_PART_FACTOR}"
            f" + file_row_number as stage_order from read_parquet({self._pattern}, hive_partitioning = false,"
            " filename = true, file_row_number = true)"
        )

    def remove(self, db: duckdb.DuckDBPyConnection, condition: str) -> None:
        """Remove rows.

        Args:
            db: The connection in which the condition is evaluated.
            condition: Which rows, as SQL on `staged`, the rows with their `stage_order`.
        """
        rows = f"select stage_order from ({self.select_in_order()}) as staged where {condition}"
        removed = pl.DataFrame(db.execute(rows).to_arrow_table())["stage_order"]
        for number in (removed // _PART_FACTOR).unique():
            # part by part, because a join in DuckDB keeps no order
            part = self._folder / _PART_NAME.format(number)
            orders = pl.int_range(pl.len(), dtype=pl.Int64) + number * _PART_FACTOR
            kept = pl.read_parquet(part).filter(~orders.is_in(removed.implode()))
            rewritten = part.with_suffix(".rewritten")
            kept.write_parquet(rewritten, compression="lz4", row_group_size=PART_ROWS)
            rewritten.replace(part)

    @property
    def _pattern(self) -> str:
        return _quote(str(self._folder / "*.parquet"))

    def _name_part(self) -> Path:
        self._written += 1
        return self._folder / _PART_NAME.format(self._written)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
