"""Evaluates a suite on one load: DuckDB computes frames, Great Expectations judges them, batch by batch."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context import AbstractDataContext
from great_expectations.expectations.expectation import ColumnMapExpectation

from data_quality.check import KEY, Check
from data_stack.ops import ExpectationRecord
from data_stack.redaction import describe_database_message, make_printable

EXAMPLE_KEYS = 5

# keys of the rows that fail, no values: results are stored and shown
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [KEY],
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}


@dataclass
class Tally:
    """Sums of one expectation over the batches seen so far.

    Attributes:
        expectation: What is evaluated.
        checked: Values looked at; nulls count only where nulls are the question.
        unexpected: Values that fail.
        example_keys: Keys of the first that fail.
        least: Least value of an observed column.
        greatest: Greatest value of an observed column.
        problem: Why it could not be evaluated.
    """

    expectation: ColumnMapExpectation
    checked: int = 0
    unexpected: int = 0
    example_keys: list[str] = field(default_factory=list)
    least: float | None = None
    greatest: float | None = None
    problem: str | None = None

    @property
    def success(self) -> bool:
        """Whether the share of the *sums* is enough, which batches one by one do not tell."""
        if self.problem:
            return False
        return self.checked == 0 or (self.checked - self.unexpected) / self.checked >= float(self.expectation.mostly)

    def add(self, result: dict[str, Any]) -> None:
        """Add Great Expectations' result for one batch."""
        self.checked += result["element_count"] - result.get("missing_count", 0)
        self.unexpected += result["unexpected_count"]
        room = EXAMPLE_KEYS - len(self.example_keys)
        keys = (key for group in result["unexpected_index_list"] for key in _as_list(group[KEY]))
        self.example_keys += [make_printable(str(key)) for key, _ in zip(keys, range(room), strict=False)]

    def observe(self, values: pd.Series) -> None:
        """Widen the recorded range by the values of one batch."""
        known = [value for value in (self.least, self.greatest) if value is not None]
        seen = [*known, *(float(value) for value in (values.min(), values.max()) if pd.notna(value))]
        if seen:
            self.least, self.greatest = min(seen), max(seen)

    def record(self) -> ExpectationRecord:
        """The outcome as `ops` keeps it; one that could not be evaluated is critical, whatever it was meant to be."""
        observed = None if self.least is None else f"{self.least:.6g} to {self.greatest:.6g}"
        return ExpectationRecord(
            expectation=self.expectation.expectation_type,
            column=self.expectation.column,
            severity="critical" if self.problem else self.expectation.severity.value,
            success=self.success,
            checked=self.checked,
            unexpected=self.unexpected,
            example_keys=self.example_keys,
            observed=observed,
            reason=self.problem or reason_of(self.expectation),
        )


class Evaluator:
    """Evaluates checks with one data context; made once a process, because suites and assets are reused.

    Args:
        context: Where the frame's asset is registered.
        batch_rows: Rows that are in memory at once.
    """

    def __init__(self, context: AbstractDataContext, batch_rows: int) -> None:
        self.batch_rows = batch_rows
        asset = context.data_sources.add_pandas("duckdb").add_dataframe_asset("frame")
        self._batches: BatchDefinition = asset.add_batch_definition_whole_dataframe("batch")

    def evaluate(self, db: duckdb.DuckDBPyConnection, checks: Sequence[Check], load_id: str) -> list[Tally]:
        """Evaluate every check on one load.

        Args:
            db: A connection to the source's raw file.
            checks: The suite.
            load_id: The load.

        Returns:
            One tally an expectation, in the order of the suite.
        """
        return [tally for check in checks for tally in self._evaluate_check(db, check, load_id)]

    def _evaluate_check(self, db: duckdb.DuckDBPyConnection, check: Check, load_id: str) -> list[Tally]:
        tallies = [Tally(expectation) for expectation in check.expectations]
        suite = gx.ExpectationSuite(name=check.name, expectations=[_numbered(t, n) for n, t in enumerate(tallies)])
        try:
            for frame in self._frames(db, check, load_id):
                self._add_frame(suite, tallies, frame)
                _observe(check, tallies, frame)
        except duckdb.Error as error:
            message = describe_database_message(str(error)) or type(error).__name__
            problem = f"The frame `{check.name}` could not be computed: {message}; correct its SQL or the raw table."
            for tally in tallies:
                tally.problem = f"{problem} {reason_of(tally.expectation)}"
        return tallies

    def _frames(self, db: duckdb.DuckDBPyConnection, check: Check, load_id: str) -> Iterator[pd.DataFrame]:
        for batch in db.execute(check.sql, {"load_id": load_id}).fetch_record_batch(self.batch_rows):
            yield batch.to_pandas()

    def _add_frame(self, suite: gx.ExpectationSuite, tallies: list[Tally], frame: pd.DataFrame) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = self._batches.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
        for result in report.results:
            tally = tallies[result.expectation_config.meta["number"]]
            if "unexpected_count" in result.result:
                tally.add(result.result)
            else:
                tally.problem = _problem(tally.expectation, frame)


def reason_of(expectation: ColumnMapExpectation) -> str:
    """The reason that the suite gives for an expectation."""
    return str((expectation.meta or {})["reason"])


def _observe(check: Check, tallies: list[Tally], frame: pd.DataFrame) -> None:
    for tally in tallies:
        if tally.expectation.column in check.observed & set(frame.columns):
            tally.observe(frame[tally.expectation.column])


def _numbered(tally: Tally, number: int) -> ColumnMapExpectation:
    # a suite takes only expectations that belong to no other suite, and reports results in an order of its own
    expectation = copy.copy(tally.expectation)
    expectation.meta = {**(expectation.meta or {}), "number": number}
    return expectation


def _problem(expectation: ColumnMapExpectation, frame: pd.DataFrame) -> str:
    # the library's own message may quote a value
    column = expectation.column
    state = f"has the type {frame[column].dtype}" if column in frame else "is not in the frame"
    return f"It could not be evaluated, as column {column} {state}; correct the suite. {reason_of(expectation)}"


def _as_list(keys: object) -> list[object]:
    return keys if isinstance(keys, list) else [keys]
