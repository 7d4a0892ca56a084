"""The check of one source: conformance, its tests, and two runs on its sample.

The tests run in one process of pytest, side by side with the runs, which need dbt and Great Expectations in this one.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from data_stack.errors import DataStackError
from data_stack.ops import new_id
from data_stack.redaction import describe_error
from data_stack.registry import Source
from data_stack.settings import PROJECT_ROOT, Settings, folder_variables
from data_stack.warehouse import open_warehouse
from data_stack.window import Window
from orchestration import steps
from scaffold.ownership import OwnershipFinder
from scaffold.tree import Tree

if TYPE_CHECKING:
    from dlt_pipeline.sample.spec import SampleSpec

_FIRST_MONTH, _LAST_MONTH = date(2024, 1, 1), date(2024, 2, 1)
_RIDES_PER_DAY = 30
_MESSAGES_MAX = 5
_SUITES_TEST = "tests/data_quality/test_quality_suites.py"
_LAYERS = {
    "tests/dlt_pipeline": "reader",
    "tests/dlt_pipeline/sample": "sample",
    "tests/data_quality": "suite",
    "tests/streamlit_app": "pages",
}


@dataclass
class Outcome:
    """What the check of one layer found.

    Attributes:
        layer: What was checked.
        seconds: How long it took.
        problems: Why it failed and what to do; empty if it is fine.
    """

    layer: str
    seconds: float
    problems: list[str] = field(default_factory=list)


def check_layers(source: Source) -> Iterator[Outcome]:
    """Check every layer of a source; a layer that fails stops no other.

    Args:
        source: The source.

    Yields:
        The outcomes, in the order in which they are known.
    """
    with tempfile.TemporaryDirectory(prefix=f"data-stack-{source.name}-") as folder:
        tests = _start_tests(source, Path(folder))
        yield _check_conformance(source)
        yield from _check_runs(source, Path(folder) / "data")
        yield from tests.collect()


def _check_conformance(source: Source) -> Outcome:
    from scaffold.conformance import check_conformance

    began = time.perf_counter()
    try:
        report = check_conformance((source,))
    except DataStackError as error:
        return Outcome("conformance", time.perf_counter() - began, [str(error)])
    lines = [line for finding in report.findings for line in finding.format_lines()]
    return Outcome("conformance", time.perf_counter() - began, lines)


@dataclass
class SelectedTests:
    """A process of pytest with the tests of a source.

    Attributes:
        process: The process.
        results: File with the results, in JUnit's format.
        layers: The layer of each test file, by its module.
    """

    process: subprocess.Popen[str]
    results: Path
    layers: dict[str, str]

    def collect(self) -> Iterator[Outcome]:
        """Wait for the tests; one outcome per layer that has test files."""
        output, _ = self.process.communicate()
        outcomes = {layer: Outcome(layer, 0) for layer in dict.fromkeys(self.layers.values())}
        if not self.results.exists():
            last = (output.strip() or "pytest ended without a message").splitlines()[-_MESSAGES_MAX:]
            yield Outcome("tests", 0, [*last, "pytest could not start; fix the error, and check again"])
            return
        for case in ElementTree.parse(self.results).iter("testcase"):  # noqa: S314 - written by our own process
            self._add_case(outcomes, case)
        yield from outcomes.values()

    def _add_case(self, outcomes: dict[str, Outcome], case: ElementTree.Element) -> None:
        module = case.get("classname", "") or case.get("name", "")
        outcome = outcomes.get(self.layers.get(module, ""))
        if outcome is None:
            return
        outcome.seconds += float(case.get("time", 0))
        failures = [found for kind in ("failure", "error") if (found := case.find(kind)) is not None]
        if failures and len(outcome.problems) < _MESSAGES_MAX:
            file = module.replace(".", "/") + ".py"
            reason = (failures[0].get("message") or "").splitlines()[:1]
            outcome.problems.append(f"{case.get('name')}: {''.join(reason)}; `.venv/bin/pytest {file}` shows it")


def find_test_files(source: Source) -> dict[str, str]:
    """The test files of a source, and of the pages and cards that show its rows.

    Args:
        source: The source.

    Returns:
        The layer of each file, by its path from the project's folder.
    """
    finder = OwnershipFinder(Tree(PROJECT_ROOT))
    found = {*finder.find_owned(source.name), _SUITES_TEST}
    for reader in finder.readers:
        if any(source.name in finder.dbt.upstream[table] for table in reader.tables):
            found.update(reader.files)
    tests = sorted(path for path in found if path.rpartition("/")[2].startswith("test_"))
    layers = {path: _LAYERS.get(path.rpartition("/")[0]) for path in tests}
    return {path: layer for path, layer in layers.items() if layer}


def _start_tests(source: Source, folder: Path) -> SelectedTests:
    """Start pytest on the files of the source, and on what the suites' tests have for it."""
    files = find_test_files(source)
    results = folder / "tests.xml"
    # the names of the files count, and parameters of the suites' tests begin with the name of the source
    stems = [Path(path).stem for path in files if path != _SUITES_TEST]
    options = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not integration", f"--junitxml={results}"]
    selected = [*files, "-k", " or ".join([source.name, *stems])]
    process = subprocess.Popen(  # noqa: S603 - a fixed command with files of the project
        [sys.executable, "-m", "pytest", "-n", "0", *options, f"--basetemp={folder / 'tests'}", *selected],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    layers = {path.removesuffix(".py").replace("/", "."): layer for path, layer in files.items()}
    return SelectedTests(process, results, layers)


def _check_runs(source: Source, data_dir: Path) -> Iterator[Outcome]:
    """Two runs on the sample: the second loads nothing, and publishes the same rows."""
    from dlt_pipeline.sample.spec import SampleSpec

    spec = SampleSpec(first_month=_FIRST_MONTH, last_month=_LAST_MONTH, rides_per_day=_RIDES_PER_DAY)
    with _serve(data_dir, spec) as settings:
        first = _run(source, settings, spec.window, "first run")
        yield first.models
        yield first.outcome
        if first.outcome.problems or first.models.problems:
            return
        second = _run(source, settings, spec.window, "second run")
        problems = second.outcome.problems + second.models.problems or compare_runs(first, second)
        yield Outcome("second run", second.outcome.seconds + second.models.seconds, problems)


@contextmanager
def _serve(data_dir: Path, spec: "SampleSpec") -> Iterator[Settings]:
    """The sample, served on loopback; the variables of this process are as before after it."""
    from orchestration.cli.sample import serve_sample

    before = dict(os.environ)
    os.environ |= folder_variables(data_dir)
    try:
        settings = Settings.load()
        with serve_sample(settings, spec):
            yield settings
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class SampleRun:
    """A run on the sample.

    Attributes:
        outcome: Of ingestion, gate and publication.
        models: Of the models of the source with their tests.
        loaded: Rows loaded.
        tables: A hash of every published table.
    """

    outcome: Outcome
    models: Outcome
    loaded: int = 0
    tables: dict[str, tuple[int, int]] = field(default_factory=dict)


def _run(source: Source, settings: Settings, window: Window, layer: str) -> SampleRun:
    run = steps.Run.begin(settings, new_id(), f"check {source.name}")
    done = SampleRun(Outcome(layer, 0), Outcome("models", 0))
    began = time.perf_counter()
    try:
        done.loaded = steps.ingest(run, source, window).counts.loaded
        steps.validate(run, source)
        done.models = _check_models(run)
        if not done.models.problems:
            steps.publish(run)
            done.tables = _hash_tables(settings)
    except Exception as error:
        done.outcome.problems.append(describe_error(error))
    if layer == "first run" and not done.loaded and not done.outcome.problems:
        done.outcome.problems.append(
            f"the sample of {_FIRST_MONTH:%Y-%m} to {_LAST_MONTH:%Y-%m} has no row of {source.name}"
        )
    done.outcome.seconds = time.perf_counter() - began - done.models.seconds
    return done


def _check_models(run: steps.Run) -> Outcome:
    """Build everything, with unit tests in the first run; the other sources have no rows."""
    began = time.perf_counter()
    try:
        steps.transform(run)
    except Exception as error:
        return Outcome("models", time.perf_counter() - began, [describe_error(error)])
    return Outcome("models", time.perf_counter() - began)


def _hash_tables(settings: Settings) -> dict[str, tuple[int, int]]:
    """Rows and a hash of every published table; which load a row came with may differ."""
    names = "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('core', 'marts')"
    with open_warehouse(settings.warehouse_file) as db:
        tables = [name for (name,) in db.execute(names).fetchall()]
        hashes = {name: db.execute(f"select count(*), bit_xor(hash(t)) from {name} as t").fetchone() for name in tables}
    return {name: (found[0], found[1] or 0) for name, found in hashes.items() if found}


def compare_runs(first: SampleRun, second: SampleRun) -> list[str]:
    """What the second run did that it must not do.

    Args:
        first: A run that has loaded the sample.
        second: One right after it.
    """
    problems = []
    if second.loaded:
        problems.append(f"the second run loaded {second.loaded:,} rows again; `plan` of the reader must skip them")
    for table in sorted(first.tables.keys() | second.tables.keys()):
        if first.tables.get(table) != second.tables.get(table):
            problems.append(f"the second run published other rows in {table}; a model depends on more than the rows")
    return problems
