"""Fixtures of the gate's tests: clean raw files are built and evaluated once, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from quality_data import build_clean

from data_stack.ops import ExpectationRecord
from data_stack.registry import source_names
from data_stack.settings import Settings

if TYPE_CHECKING:
    from suite_evaluation import CleanCheck

    from data_quality.evaluate import Evaluator


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
    from data_quality.evaluate import Evaluator

    return Evaluator(500_000)


@pytest.fixture(scope="session")
def clean_checks(clean_data: Path, evaluator: Evaluator) -> Callable[[str], list[CleanCheck]]:
    """The checks of a source, evaluated on its clean raw file when a test first needs them."""
    from suite_evaluation import evaluate_clean_file

    return cache(lambda name: evaluate_clean_file(evaluator, clean_data / "raw" / f"{name}.duckdb", name))


@pytest.fixture
def evaluate(
    settings: Settings, evaluator: Evaluator, clean_checks: Callable[[str], list[CleanCheck]]
) -> Callable[[str], list[ExpectationRecord]]:
    """The outcomes of a source's whole suite on its load `LOAD` in the test's data folder."""
    from suite_evaluation import evaluate_changes

    return lambda name: evaluate_changes(evaluator, settings.raw_file(name), clean_checks(name))
