"""Fixtures of the gate's tests: clean raw files are built and evaluated once, and copied for each test."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from quality_data import LOAD, build_clean

from data_quality.check import KEY, Check, find_suite
from data_quality.evaluate import Evaluator
from data_stack.ops import ExpectationRecord
from data_stack.registry import source_names
from data_stack.settings import Settings


@dataclass(frozen=True)
class CleanCheck:
    """A check with its frame and its outcomes on the clean raw file."""

    check: Check
    frame: pd.DataFrame
    outcomes: list[ExpectationRecord]


@pytest.fixture(scope="session")
def clean_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a clean raw file of every source."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("clean"))
    for source_name in source_names():
        build_clean(settings, source_name)
    return settings.data_dir


@pytest.fixture
def dirty(clean_data: Path, settings: Settings) -> Callable[[str, str], None]:
    """Copies the clean raw file of a source into the test's data folder, if it is not there, and runs SQL on it."""

    def run(source_name: str, sql: str = "") -> None:
        path = settings.raw_file(source_name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clean_data / "raw" / path.name, path)
        with duckdb.connect(str(path)) as db:
            db.execute(sql or "select 1")

    return run


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    """One evaluator for all tests; they differ in their raw files only."""
    return Evaluator(500_000)


@pytest.fixture(scope="session")
def clean_checks(clean_data: Path, evaluator: Evaluator) -> Callable[[str], list[CleanCheck]]:
    """The checks of a source, evaluated on its clean raw file when first asked for."""

    @cache
    def run(source_name: str) -> list[CleanCheck]:
        with duckdb.connect(str(clean_data / "raw" / f"{source_name}.duckdb"), read_only=True) as db:
            return [
                CleanCheck(
                    check,
                    _compute_frame(db, check),
                    [tally.create_record() for tally in evaluator.evaluate(db, [check], LOAD)],
                )
                for check in find_suite(source_name)
            ]

    return run


@pytest.fixture
def evaluate(
    settings: Settings, evaluator: Evaluator, clean_checks: Callable[[str], list[CleanCheck]]
) -> Callable[[str], list[ExpectationRecord]]:
    """The outcomes of a source's whole suite on its load `LOAD`.

    An expectation depends on its column and on the keys alone, so only those are evaluated again whose column differs
    from the clean frame; that is a fifth of the time.
    """

    def run(source_name: str) -> list[ExpectationRecord]:
        outcomes: list[ExpectationRecord] = []
        with duckdb.connect(str(settings.raw_file(source_name)), read_only=True) as db:
            for clean in clean_checks(source_name):
                changed = _find_changed_columns(_compute_frame(db, clean.check), clean.frame)
                outcomes += [outcome for outcome in clean.outcomes if outcome.column not in changed]
                affected = tuple(e for e in clean.check.expectations if e.column in changed)
                if affected:
                    tallies = evaluator.evaluate(db, [replace(clean.check, expectations=affected)], LOAD)
                    outcomes += [tally.create_record() for tally in tallies]
        return outcomes

    return run


def _compute_frame(db: duckdb.DuckDBPyConnection, check: Check) -> pd.DataFrame:
    frame = db.execute(check.sql, {"load_id": LOAD}).df()
    return frame.sort_values(KEY, kind="stable", ignore_index=True)


def _find_changed_columns(frame: pd.DataFrame, clean_frame: pd.DataFrame) -> set[str]:
    if not frame[KEY].equals(clean_frame[KEY]):
        return set(frame.columns)
    return {column for column in frame.columns if not frame[column].equals(clean_frame[column])}
