"""Fixtures of the gate's tests: clean raw files are built once and copied, the data context is made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from quality_data import LOAD, build_clean

from data_quality.check import find_suite
from data_quality.data_docs import DataDocs
from data_quality.evaluate import Evaluator
from data_stack.ops import ExpectationRecord
from data_stack.registry import source_names
from data_stack.settings import Settings


@pytest.fixture(scope="session")
def clean_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a clean raw file of every source."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("clean"))
    for source in source_names():
        build_clean(settings, source)
    return settings.data_dir


@pytest.fixture
def dirty(clean_data: Path, settings: Settings) -> Callable[[str, str], None]:
    """Copies the clean raw file of a source into the test's data folder, if it is not there, and runs SQL on it."""

    def run(source: str, sql: str = "") -> None:
        path = settings.raw_file(source)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clean_data / "raw" / path.name, path)
        with duckdb.connect(str(path)) as db:
            db.execute(sql or "select 1")

    return run


@pytest.fixture(scope="session")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """One evaluator for all tests; they differ in their raw files only."""
    return Evaluator(DataDocs(Settings.load(data_dir=tmp_path_factory.mktemp("context"))).context, 500_000)


@pytest.fixture
def evaluate(settings: Settings, evaluator: Evaluator) -> Callable[[str], list[ExpectationRecord]]:
    """The outcomes of a source's whole suite on its load `LOAD`."""

    def run(source: str) -> list[ExpectationRecord]:
        with duckdb.connect(str(settings.raw_file(source)), read_only=True) as db:
            tallies = evaluator.evaluate(db, find_suite(source), LOAD)
        return [tally.record() for tally in tallies]

    return run
