"""Copies the run records from one store to another, when `OPS_URL` is set or given up."""

from data_stack.errors import UsageError
from data_stack.ops_schema import TABLES, require_schema
from data_stack.record_store import RecordStore, Session


def copy_records(origin: RecordStore, target: RecordStore) -> int:
    """Copy every row, in the order in which it was written; a kill in between leaves the target as it was.

    Rows that an earlier call has copied are found equal and left, so that a call after a kill completes it.

    Args:
        origin: What is read; nobody writes it meanwhile.
        target: An empty store, or one with the same rows.

    Returns:
        How many rows the target has.

    Raises:
        UsageError: The target has other rows.
    """
    for store in (origin, target):
        store.prepare()
        require_schema(store)
    with origin.transaction() as reading, target.transaction() as writing:
        return sum(_copy_table(reading, writing, table) for table in TABLES)


def _copy_table(origin: Session, target: Session, table: str) -> int:
    select = f"select * from {table} order by rowid"
    rows, present = origin.execute(select), target.execute(select)
    if present and present != rows:
        raise UsageError(
            f"the run records cannot be copied: the target has {len(present):,} other rows in {table}; name an empty "
            "database or another schema in OPS_URL"
        )
    for row in () if present else rows:
        marks = ", ".join("?" * len(row))
        target.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", [*row.values()])
    return len(rows)
