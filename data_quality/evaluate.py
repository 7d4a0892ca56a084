"""Evaluates a suite on one load: DuckDB computes frames, Great Expectations evaluates them, batch by batch."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb
import great_expectations as gx
import pandas as pd
from great_expectations.data_context import AbstractDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.expectation import ColumnMapExpectation

from data_quality.check import KEY, Check
from data_stack.ops import ExpectationRecord
from data_stack.redaction import describe_database_message, make_printable

EXAMPLE_KEYS = 5

# keys of the unexpected rows and no values, because results are stored and shown
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [KEY],
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}


@dataclass
class Tally:
    """Sums of one expectation over the batches evaluated so far.

    Attributes:
        expectation: The expectation.
        checked: Number of values checked; nulls count only where the expectation is about nulls.
        unexpected: Number of values that fail.
        example_keys: Keys of the first rows that fail.
        least: Least value of an observed column.
        greatest: Greatest value of an observed column.
        problem: Why it could not be evaluated; None if it could.
    """

    expectation: ColumnMapExpectation
    checked: int = 0
    unexpected: int = 0
    example_keys: list[str] = field(default_factory=list)
    least: float | None = None
    greatest: float | None = None
    problem: str | None = None

    @property
    def reason(self) -> str:
        """The reason that the suite gives for the expectation."""
        return str((self.expectation.meta or {})["reason"])

    @property
    def success(self) -> bool:
        """Whether a sufficient share of all values is as expected; a single batch does not decide."""
        if self.problem:
            return False
        return self.checked == 0 or (self.checked - self.unexpected) / self.checked >= float(self.expectation.mostly)

    def add_result(self, result: dict[str, Any]) -> None:
        """Add Great Expectations' result for one batch."""
        self.checked += result["element_count"] - result.get("missing_count", 0)
        self.unexpected += result["unexpected_count"]
        for group in result["unexpected_index_list"]:
            keys = group[KEY] if isinstance(group[KEY], list) else [group[KEY]]
            room = EXAMPLE_KEYS - len(self.example_keys)
            self.example_keys += [make_printable(str(key)) for key in keys[:room]]

    def add_range(self, values: pd.Series) -> None:
        """Extend the recorded range to the values of one batch."""
        numbers = pd.Series([self.least, self.greatest, values.min(), values.max()], dtype=float)
        if numbers.notna().any():
            self.least, self.greatest = numbers.min(), numbers.max()

    def create_record(self) -> ExpectationRecord:
        """The outcome for the run records; an expectation that could not be evaluated counts as critical."""
        return ExpectationRecord(
            expectation=self.expectation.expectation_type,
            column=self.expectation.column,
            severity="critical" if self.problem else self.expectation.severity.value,
            success=self.success,
            checked=self.checked,
            unexpected=self.unexpected,
            example_keys=self.example_keys,
            observed=self._format_range(),
            reason=f"{self.problem} {self.reason}" if self.problem else self.reason,
        )

    def _format_range(self) -> str | None:
        if self.least is None or self.least == self.greatest:
            return None if self.least is None else f"{self.least:.6g}"
        return f"{self.least:.6g} to {self.greatest:.6g}"


class Evaluator:
    """Evaluates checks; one per process is enough.

    Args:
        batch_rows: Number of rows that are in memory at once.
    """

    def __init__(self, batch_rows: int) -> None:
        self._batch_rows = batch_rows
        asset = create_context().data_sources.add_pandas("duckdb").add_dataframe_asset("frame")
        self._batches = asset.add_batch_definition_whole_dataframe("batch")

    def evaluate(self, db: duckdb.DuckDBPyConnection, checks: Sequence[Check], load_id: str) -> list[Tally]:
        """Evaluate every check on one load.

        Args:
            db: A connection to the source's raw file.
            checks: The suite.
            load_id: The load.

        Returns:
            One tally per expectation, in the order of the suite.
        """
        tallies = []
        for check in checks:
            check_tallies = [Tally(expectation) for expectation in check.expectations]
            try:
                batches = db.execute(check.sql, {"load_id": load_id}).fetch_record_batch(self._batch_rows)
                for batch in batches:
                    self._evaluate_batch(check, check_tallies, batch.to_pandas())
            except duckdb.Error as error:
                message = describe_database_message(str(error)) or type(error).__name__
                for tally in check_tallies:
                    tally.problem = (
                        f"The frame `{check.name}` could not be computed: {message}; correct its SQL or the raw table."
                    )
            tallies += check_tallies
        return tallies

    def _evaluate_batch(self, check: Check, tallies: Sequence[Tally], frame: pd.DataFrame) -> None:
        # an expectation can belong to one suite only, and the results come in an order of their own
        expectations = [copy.copy(tally.expectation) for tally in tallies]
        for number, expectation in enumerate(expectations):
            expectation.meta = {**(expectation.meta or {}), "number": number}
        suite = gx.ExpectationSuite(check.name, expectations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = self._batches.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
        for result in report.results:
            tally = tallies[result.expectation_config.meta["number"]]
            column = tally.expectation.column
            if "unexpected_count" in result.result:
                tally.add_result(result.result)
            else:
                # the library's own message can quote a value
                state = f"has the type {frame[column].dtype}" if column in frame else "is not in the frame"
                tally.problem = f"It could not be evaluated, as column {column} {state}; correct the suite."
            if column in check.observed and column in frame:
                tally.add_range(frame[column])


@cache
def open_evaluator(batch_rows: int) -> Evaluator:
    """The evaluator of this process; creating one takes longer than a small load.

    Args:
        batch_rows: Number of rows that are in memory at once.
    """
    return Evaluator(batch_rows)


def create_context() -> AbstractDataContext:
    """A data context that writes nothing to disk, sends nothing and shows no progress bars."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)
