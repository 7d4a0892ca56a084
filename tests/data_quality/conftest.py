"""Fixtures of the gate's tests: clean raw files are built and evaluated once, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from gate_cases import LOAD
from raw_builder import build_raw
from source_parts import find_part

from data_stack.ops import ExpectationRecord
from data_stack.registry import Source
from data_stack.settings import Settings

if TYPE_CHECKING:
    from suite_evaluation import CleanCheck

    from data_quality.evaluate import Evaluator


@pytest.fixture(scope="session")
def clean_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The clean raw file of a source, built when a test first needs it."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("clean"))

    @cache
    def build(source_name: str) -> Path:
        find_part(source_name, "clean").build(settings)
        return settings.raw_file(source_name)

    return build


@pytest.fixture
def dirty(clean_file: Callable[[str], Path], settings: Settings) -> Callable[[str, str], None]:
    """Copies the clean raw file of a source into the test's data folder, if it is not there, and runs SQL on it."""

    def run(source_name: str, sql: str = "") -> None:
        path = settings.raw_file(source_name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clean_file(source_name), path)
        with duckdb.connect(str(path)) as db:
            db.execute(sql or "select 1")

    return run


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    """One evaluator for all tests; they differ in their raw files only."""
    from data_quality.evaluate import Evaluator

    return Evaluator(500_000)


@pytest.fixture(scope="session")
def clean_checks(clean_file: Callable[[str], Path], evaluator: Evaluator) -> Callable[[str], list[CleanCheck]]:
    """The checks of a source, evaluated on its clean raw file when a test first needs them."""
    from suite_evaluation import evaluate_clean_file

    return cache(lambda name: evaluate_clean_file(evaluator, clean_file(name), name))


@pytest.fixture
def evaluate(
    settings: Settings, evaluator: Evaluator, clean_checks: Callable[[str], list[CleanCheck]]
) -> Callable[[str], list[ExpectationRecord]]:
    """The outcomes of a source's whole suite on its load `LOAD` in the test's data folder."""
    from suite_evaluation import evaluate_changes

    return lambda name: evaluate_changes(evaluator, settings.raw_file(name), clean_checks(name))


@pytest.fixture
def visits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source that only tests register, with 20 visits, `v0` to `v19`, in its load `LOAD`."""
    import shapes

    shapes.register(monkeypatch, "visits")
    rows = [{"id": f"v{n}", "day_utc": date(2024, 1, 1 + n // 2), "guests": 2} for n in range(20)]
    build_raw(settings, "visits", {"visits": rows}, LOAD)
    return shapes.VISITS_SOURCE
