"""Changes of the run records that the product never makes, for tests of what happens later or went wrong."""

from collections.abc import Iterable, Sequence
from typing import Any

from data_stack.ops import Ops


def change_records(ops: Ops, sql: str, rows: Iterable[Sequence[Any]] = ((),)) -> None:
    """Run a statement on the store, once per row of parameters."""
    with ops.store.transaction() as session:
        for row in rows:
            session.execute(sql, row)
