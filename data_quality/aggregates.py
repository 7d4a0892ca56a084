"""Evaluates the expectations of a check by aggregates in DuckDB: one pass over the frame, which is never in memory.

Great Expectations stays the judge. It evaluates the same expectations on the limits of each one, on the least and
greatest value of each column and on the rows that fail first; where it does not agree with DuckDB on every one of
these values, the expectation is left to the evaluation of whole frames.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd
from great_expectations.expectations.expectation import ColumnMapExpectation

from data_quality.check import KEY, Check
from data_quality.conditions import NUMBERS, Condition, derive_condition, quote_name, quote_value
from data_quality.tally import EXAMPLE_KEYS, Tally

Judge = Callable[[str, Sequence[ColumnMapExpectation], pd.DataFrame], list[set[str] | None]]
"""Evaluates expectations on a frame: for each, the keys of its unexpected rows; None if it cannot be evaluated."""

# DuckDB computes frames of one row group in one thread; of larger ones, the order differs from run to run
ORDERED_ROWS = 122_880
EXAMPLE_ROWS = 10_000

_ROW = "__row"
_SEPARATOR = " of "

logger = logging.getLogger(__name__)


@dataclass
class _Sum:
    """What DuckDB found for one expectation."""

    tally: Tally
    condition: Condition
    checked: int = 0
    unexpected: int = 0
    values: list[Any] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def examples_wanted(self) -> int:
        """Number of unexpected rows to fetch."""
        return min(self.unexpected, EXAMPLE_KEYS)


class Aggregation:
    """One check on one load, evaluated by DuckDB.

    Args:
        db: A connection to the source's raw file.
        check: The check.
        load_id: The load.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, check: Check, load_id: str) -> None:
        self._db = db
        self._check = check
        self._parameters = {"load_id": load_id}
        self._types = self._describe_frame()
        self._least: dict[str, Any] = {}
        self._greatest: dict[str, Any] = {}

    def evaluate(self, tallies: Sequence[Tally], judge: Judge) -> list[Tally]:
        """Fill the tallies that DuckDB and Great Expectations agree on.

        Args:
            tallies: One empty tally per expectation of the check.
            judge: Great Expectations.

        Returns:
            The tallies that are still empty, because only whole frames can fill them.

        Raises:
            duckdb.Error: The frame cannot be computed.
        """
        sums = [_Sum(tally, condition) for tally in tallies if (condition := self._derive(tally.expectation))]
        if sums:
            self._find_examples(sums, rows=self._count(sums))
        agreed = [total for total, is_agreed in zip(sums, self._compare(sums, judge), strict=True) if is_agreed]
        for total in agreed:
            self._fill(total)
        filled = {id(total.tally) for total in agreed}
        return [tally for tally in tallies if id(tally) not in filled]

    def _describe_frame(self) -> dict[str, str]:
        columns = self._db.execute(f"describe {self._check.sql}", self._parameters).fetchall()
        types = {name: column_type for name, column_type, *_ in columns}
        # names that differ in case only are one column in SQL and two in a frame
        is_unambiguous = len({name.lower() for name in types}) == len(columns) and types.get(KEY) == "VARCHAR"
        return types if is_unambiguous else {}

    def _derive(self, expectation: ColumnMapExpectation) -> Condition | None:
        column_type = self._types.get(expectation.column)
        is_range_known = expectation.column not in self._check.observed or column_type in NUMBERS
        return derive_condition(expectation, column_type) if column_type and is_range_known else None

    def _count(self, sums: Sequence[_Sum]) -> int:
        """The one pass: values per column with their range, unexpected values per expectation. Returns the rows."""
        names = list(self._types)
        values = [quote_value(name, self._types[name]) for name in names]
        ranged = [name for name in names if any(name == s.condition.column and _has_range(s.condition) for s in sums)]
        items = [
            "count(*)",
            *(f"count({value})" for value in values),
            # faster than a filter, which copies the rows that it lets through
            *(f"count(case when {total.condition.unexpected} then 1 end)" for total in sums),
            *(f"{find}({quote_value(name, self._types[name])})" for name in ranged for find in ("min", "max")),
        ]
        (row,) = self._db.execute(f"select {', '.join(items)} from ({self._check.sql}\n)", self._parameters).fetchall()
        rows, counts, found = row[0], dict(zip(names, row[1:], strict=False)), iter(row[1 + len(names) :])
        for total in sums:
            total.checked = rows if total.condition.is_about_nulls else counts[total.condition.column]
            total.unexpected = next(found)
        for name in ranged:
            self._least[name], self._greatest[name] = next(found), next(found)
        return int(rows)

    def _find_examples(self, sums: Sequence[_Sum], rows: int) -> None:
        """Fetch the first unexpected rows, in the order of the frame."""
        failed = [total for total in sums if total.unexpected]
        if not failed:
            return
        select = self._select_unexpected(failed, is_order_stable=rows <= ORDERED_ROWS)
        for batch in self._db.execute(select, self._parameters).fetch_record_batch(EXAMPLE_ROWS):
            frame = batch.to_pandas()
            for number, total in enumerate(failed):
                found = frame[frame[f"{_ROW}{number}"].eq(True)].head(total.examples_wanted - len(total.keys))
                total.keys += [str(key) for key in found[KEY]]
                total.values += [None if pd.isna(value) else value for value in found[total.condition.column].tolist()]
            if all(len(total.keys) == total.examples_wanted for total in failed):
                break

    def _select_unexpected(self, failed: Sequence[_Sum], is_order_stable: bool) -> str:
        conditions = [f"({total.condition.unexpected})" for total in failed]
        flags = ", ".join(f"{condition} as {_ROW}{number}" for number, condition in enumerate(conditions))
        names = ", ".join(quote_name(name) for name in {KEY: 0, **{total.condition.column: 0 for total in failed}})
        frame = f"({self._check.sql}\n)"
        if is_order_stable:
            # the row number keeps the filter out of the frame, and all columns stay in use, so DuckDB computes the
            # rows by the same plan, and therefore in the same order, as for a frame without a filter
            names, frame = "*", f"(select *, row_number() over () as {_ROW} from {frame})"
        return f"select {names}, {flags} from {frame} where {' or '.join(conditions)}"

    def _compare(self, sums: Sequence[_Sum], judge: Judge) -> list[bool]:
        """Whether Great Expectations agrees with DuckDB, per expectation."""
        if not any(total.checked for total in sums):
            return [True] * len(sums)
        frame, unexpected = self._judge_witnesses(sums)
        verdicts = judge(self._check.name, [total.tally.expectation for total in sums], frame)
        return [
            self._is_agreed(total, number, unexpected, verdict)
            for number, (total, verdict) in enumerate(zip(sums, verdicts, strict=True))
        ]

    def _judge_witnesses(self, sums: Sequence[_Sum]) -> tuple[pd.DataFrame, set[str]]:
        """Values of every expectation in rows of its own, and the keys of those that DuckDB finds unexpected."""
        selects, parameters = [], []
        for number, total in enumerate(sums):
            column, column_type = total.condition.column, total.condition.column_type
            selects.append(
                f"select concat({number}, '{_SEPARATOR}', row_number() over ()) as {KEY}, *,"
                f" coalesce({total.condition.unexpected}, false) as {_ROW}"
                f" from (select unnest(?::{column_type}[]) as {quote_name(column)})"
            )
            parameters.append(self._choose_witnesses(total))
        frame = self._db.execute(" union all by name ".join(selects), parameters).fetch_arrow_table().to_pandas()
        is_unexpected = frame.pop(_ROW)
        return frame, set(frame.loc[is_unexpected.eq(True), KEY])

    def _choose_witnesses(self, total: _Sum) -> list[Any]:
        column = total.condition.column
        extremes = [values[column] for values in (self._least, self._greatest) if values.get(column) is not None]
        texts = [f"{value}\n" for value in extremes + total.values if isinstance(value, str)]
        return [*total.condition.probes, *extremes, *total.values, *texts]

    def _is_agreed(self, total: _Sum, number: int, unexpected: set[str], verdict: set[str] | None) -> bool:
        def choose_own(keys: set[str]) -> set[str]:
            return {key for key in keys if key.split(_SEPARATOR)[0] == str(number)}

        is_agreed = verdict is not None and choose_own(verdict) == choose_own(unexpected)
        if not is_agreed:
            logger.warning(
                "check %s: DuckDB and Great Expectations do not judge %s on %s in the same way, so it is evaluated on"
                " whole frames, which takes longer; correct data_quality/conditions.py",
                self._check.name,
                total.tally.expectation.expectation_type,
                total.condition.column,
            )
        return is_agreed

    def _fill(self, total: _Sum) -> None:
        tally, column = total.tally, total.condition.column
        tally.add_counts(total.checked, total.unexpected, total.keys)
        if column in self._check.observed:
            tally.add_range(self._least[column], self._greatest[column])


def _has_range(condition: Condition) -> bool:
    return condition.column_type in NUMBERS or (condition.column_type == "VARCHAR" and not condition.is_about_nulls)
