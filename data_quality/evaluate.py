"""Evaluates a suite on one load: by aggregates in DuckDB where Great Expectations agrees, otherwise on whole frames.

Great Expectations is imported with this module, and nothing is imported later, so a process can import it ahead.
"""

import copy
import warnings
from collections.abc import Collection, Iterator, Sequence
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

from data_quality.aggregates import Aggregation
from data_quality.check import KEY, Check
from data_quality.tally import Tally
from data_stack.redaction import describe_database_message

# keys of the unexpected rows and no values, because results are stored and shown
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [KEY],
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}


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
                self.evaluate_frames(db, check, self._aggregate(db, check, check_tallies, load_id), load_id)
            except duckdb.Error as error:
                message = describe_database_message(str(error)) or type(error).__name__
                for tally in check_tallies:
                    tally.problem = (
                        f"The frame `{check.name}` could not be computed: {message}; correct its SQL or the raw table."
                    )
            tallies += check_tallies
        return tallies

    def _aggregate(
        self, db: duckdb.DuckDBPyConnection, check: Check, tallies: Sequence[Tally], load_id: str
    ) -> Sequence[Tally]:
        try:
            return Aggregation(db, check, load_id).evaluate(tallies, self._find_unexpected_keys)
        except duckdb.Error:
            # nothing is filled yet; an error of the check's own SQL comes again, from the SQL as the suite has it
            return tallies

    def evaluate_frames(
        self, db: duckdb.DuckDBPyConnection, check: Check, tallies: Sequence[Tally], load_id: str
    ) -> None:
        """Let Great Expectations evaluate whole frames, batch by batch.

        Args:
            db: A connection to the source's raw file.
            check: The check.
            tallies: Empty tallies of some of its expectations, which are filled.
            load_id: The load.

        Raises:
            duckdb.Error: The frame cannot be computed.
        """
        if not tallies:
            return
        wanted = {KEY, *(tally.expectation.column for tally in tallies)}
        for batch in db.execute(check.sql, {"load_id": load_id}).fetch_record_batch(self._batch_rows):
            frame = batch.select([n for n, name in enumerate(batch.schema.names) if name in wanted]).to_pandas()
            results = self._validate(check.name, [tally.expectation for tally in tallies], frame)
            for tally, result in zip(tallies, results, strict=True):
                _add_result(tally, result, frame, check.observed)

    def _find_unexpected_keys(
        self, name: str, expectations: Sequence[ColumnMapExpectation], frame: pd.DataFrame
    ) -> list[set[str] | None]:
        results = self._validate(name, expectations, frame)
        return [set(_list_keys(result)) if "unexpected_count" in result else None for result in results]

    def _validate(
        self, name: str, expectations: Sequence[ColumnMapExpectation], frame: pd.DataFrame
    ) -> list[dict[str, Any]]:
        """Great Expectations' result on a frame, per expectation."""
        # an expectation can belong to one suite only, and the results come in an order of their own
        numbered = [copy.copy(expectation) for expectation in expectations]
        for number, expectation in enumerate(numbered):
            expectation.meta = {**(expectation.meta or {}), "number": number}
        suite = gx.ExpectationSuite(name, numbered)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = self._batches.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
        results = {result.expectation_config.meta["number"]: result.result for result in report.results}
        return [results[number] for number in range(len(numbered))]


def _add_result(tally: Tally, result: dict[str, Any], frame: pd.DataFrame, observed: Collection[str]) -> None:
    column = tally.expectation.column
    if "unexpected_count" in result:
        checked = result["element_count"] - result.get("missing_count", 0)
        tally.add_counts(checked, result["unexpected_count"], _list_keys(result))
    else:
        # the library's own message can quote a value
        state = f"has the type {frame[column].dtype}" if column in frame else "is not in the frame"
        tally.problem = f"It could not be evaluated, as column {column} {state}; correct the suite."
    if column in observed and column in frame:
        tally.add_range(frame[column].min(), frame[column].max())


def _list_keys(result: dict[str, Any]) -> Iterator[str]:
    for group in result["unexpected_index_list"]:
        yield from map(str, group[KEY] if isinstance(group[KEY], list) else [group[KEY]])


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
