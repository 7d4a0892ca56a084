"""Evaluates whole suites on corrupted raw files, and only what the corruption can change.

Imported inside fixtures: with `pytest -n`, the controlling process reads conftest.py too and must not wait for Great
Expectations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pandas as pd
from gate_cases import LOAD

from data_quality.check import KEY, Check, find_suite
from data_quality.evaluate import Evaluator
from data_quality.tally import Tally
from data_stack.ops import ExpectationRecord


@dataclass(frozen=True)
class CleanCheck:
    """A check with its frame and its outcomes on the clean raw file."""

    check: Check
    frame: pd.DataFrame
    outcomes: list[ExpectationRecord]


def evaluate_clean_file(evaluator: Evaluator, raw_file: Path, source_name: str) -> list[CleanCheck]:
    """Evaluate every check of a source on its clean raw file."""
    with duckdb.connect(str(raw_file), read_only=True) as db:
        return [
            CleanCheck(check, _compute_frame(db, check), _evaluate_check(evaluator, db, check))
            for check in find_suite(source_name)
        ]


def evaluate_changes(evaluator: Evaluator, raw_file: Path, clean_checks: list[CleanCheck]) -> list[ExpectationRecord]:
    """The outcomes of a whole suite on a raw file.

    An outcome depends only on the keys and on the column of its expectation, so an expectation is evaluated only where
    these differ from the clean frame. This takes a third of the time.
    """
    outcomes: list[ExpectationRecord] = []
    with duckdb.connect(str(raw_file), read_only=True) as db:
        for clean in clean_checks:
            changed = _find_changed_columns(_compute_frame(db, clean.check), clean.frame)
            outcomes += [outcome for outcome in clean.outcomes if outcome.column not in changed]
            affected = tuple(e for e in clean.check.expectations if e.column in changed)
            if affected:
                outcomes += _evaluate_check(evaluator, db, replace(clean.check, expectations=affected))
    return outcomes


def _evaluate_check(evaluator: Evaluator, db: duckdb.DuckDBPyConnection, check: Check) -> list[ExpectationRecord]:
    """The outcomes of a check, which have to be those of Great Expectations on the whole frame."""
    outcomes = [tally.create_record() for tally in evaluator.evaluate(db, [check], LOAD)]
    assert outcomes == evaluate_whole_frames(evaluator, db, check, LOAD)
    return outcomes


def evaluate_whole_frames(
    evaluator: Evaluator, db: duckdb.DuckDBPyConnection, check: Check, load_id: str
) -> list[ExpectationRecord]:
    """The outcomes of a check if Great Expectations sees every row."""
    tallies = [Tally(expectation) for expectation in check.expectations]
    evaluator.evaluate_frames(db, check, tallies, load_id)
    return [tally.create_record() for tally in tallies]


def _compute_frame(db: duckdb.DuckDBPyConnection, check: Check) -> pd.DataFrame:
    frame = db.execute(check.sql, {"load_id": LOAD}).df()
    return frame.sort_values(KEY, kind="stable", ignore_index=True)


def _find_changed_columns(frame: pd.DataFrame, clean_frame: pd.DataFrame) -> set[str]:
    if not frame[KEY].equals(clean_frame[KEY]):
        return set(frame.columns)
    return {column for column in frame.columns if not frame[column].equals(clean_frame[column])}


def count_warned(outcomes: Sequence[ExpectationRecord], column: str) -> list[int]:
    """The unexpected rows of the failed warnings about a column."""
    return [o.unexpected for o in outcomes if (o.column, o.severity, o.success) == (column, "warning", False)]
