"""A plugin of pytest that records which code and which files each test uses; `make test-record` loads it.

Coverage.py measures, and is told which test runs. Three things are needed beyond what pytest-testmon 2.2 does, which
was tried first and selected nothing for a changed constant, only the first of the tests that share a fixture, and
nothing for code that a test reaches through a process that it starts:

- A fixture that several tests share runs once: what it does is recorded for the fixture, and counts for every test that
  uses it.
- A process that a test starts is measured as well, because coverage.py starts in it by itself, with the test as its
  context. So a test through the `data-stack` command depends on the functions that the command runs, and not on every
  module that it imports. What a process did that was killed with SIGKILL is not known.
- Files that are not Python are recorded when they are opened (`opened_files.py`).

What runs while modules are imported belongs to no test; `symbols.py` follows the names instead.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from scaffold.opened_files import CONTEXT_VARIABLE, FOLDER_VARIABLE, ROOT, OpenedFiles, write_files
from scaffold.record import FIXTURE, RECORD_FILE, Outcome, Record, read_measured

_CONFIG_NAME = "coverage.ini"
_OMITTED = "\n    ".join(f"{ROOT}/{folder}/*" for folder in (".venv", ".venv-agents", ".tools", "data"))
_CONFIG = f"""
[run]
core = ctrace
parallel = true
data_file = FOLDER/process
context = ${{{CONTEXT_VARIABLE}-}}
patch = _exit,fork
plugins = scaffold.opened_files
sigterm = true
disable_warnings = no-data-collected,module-not-measured,no-ctracer,module-not-imported
include = {ROOT}/*
omit =
    {_OMITTED}
"""


class Recorder:
    """Tells coverage.py which test or shared fixture runs; one in each process of pytest that runs tests.

    Args:
        folder: Where the recording of this run is collected.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = ""
        self._opened = OpenedFiles(lambda: self._context)
        data_file = str(folder / f"tests.{os.getpid()}")
        include, omit = [f"{ROOT}/*"], [*_OMITTED.split(), __file__]
        self._coverage = Coverage(data_file=data_file, config_file=False, include=include, omit=omit)
        self._coverage.start()
        # not earlier: the workers of xdist are processes of Python too, and measure by themselves
        os.environ["COVERAGE_PROCESS_START"] = str(folder / _CONFIG_NAME)

    def _enter(self, context: str) -> None:
        self._context = os.environ[CONTEXT_VARIABLE] = context
        self._coverage.switch_context(context)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Count for the test what runs during it."""
        self._enter(item.nodeid)
        try:
            return (yield)
        finally:
            self._enter("")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Count for a shared fixture what runs while it is set up."""
        if fixturedef.scope == "function":
            return (yield)
        before = self._context
        self._enter(f"{FIXTURE}{fixturedef.argname}")
        try:
            return (yield)
        finally:
            self._enter(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Tell the process that collects which fixtures the test uses; reports go there from the others."""
        report = yield
        report.user_properties.append(("fixtures", sorted(set(getattr(item, "fixturenames", ())))))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Write what this process has recorded."""
        self._coverage.stop()
        self._coverage.save()
        write_files(self._folder, self._opened.found)


class Collector:
    """Collects what all processes have recorded, and adds it to the record of the repository.

    Args:
        folder: Where they have left it; it is removed.
        record_file: The record.
    """

    def __init__(self, folder: Path, record_file: Path) -> None:
        self._folder = folder
        self._record_file = record_file
        self._reports: dict[str, list[pytest.TestReport]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report of setup, call or teardown until the end: what runs here can still count for the test."""
        self._reports.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the record."""
        record = Record.load(self._record_file)
        outcomes = {test: _sum_reports(reports) for test, reports in self._reports.items()}
        record.add_run(outcomes, read_measured(self._folder))
        record.save(self._record_file)
        shutil.rmtree(self._folder, ignore_errors=True)


def _sum_reports(reports: list[pytest.TestReport]) -> Outcome:
    properties = (each for report in reports for each in report.user_properties)
    fixtures = {
        str(name) for key, names in properties if key == "fixtures" and isinstance(names, list) for name in names
    }
    seconds = round(sum(report.duration for report in reports), 3)
    return Outcome(seconds, any(report.failed for report in reports), tuple(sorted(fixtures)))


class Selection:
    """Keeps the tests that were selected, and those that the record does not know.

    Args:
        selected_file: Has the ids of the tests, one per line, in the order in which they are to run.
        record: The record that the selection was made from.
    """

    def __init__(self, selected_file: Path, record: Record) -> None:
        self._positions = {test: number for number, test in enumerate(selected_file.read_text().splitlines())}
        self._recorded = record.tests

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the other tests of the files that were collected; new tests come first."""
        kept = [item for item in items if item.nodeid in self._positions or item.nodeid not in self._recorded]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = sorted(kept, key=lambda item: self._positions.get(item.nodeid, -1))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("recorded coverage")
    group.addoption("--record", default=None, help="add what each test uses to this record")
    group.addoption("--selected", default=None, help="run the tests named in this file, and new ones of their files")


def pytest_configure(config: pytest.Config) -> None:
    """Register what this process of pytest has to do."""
    if selected := config.getoption("--selected"):
        record = Record.load(Path(config.getoption("--record") or Path(ROOT) / RECORD_FILE))
        config.pluginmanager.register(Selection(Path(selected), record))
    if not (record_file := config.getoption("--record")):
        return
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="recording-"))
        _prepare_processes(folder)
        config.pluginmanager.register(Collector(folder, Path(record_file)))
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Recorder(Path(os.environ[FOLDER_VARIABLE])))


def _prepare_processes(folder: Path) -> None:
    """Write how coverage.py measures the processes that tests start."""
    (folder / _CONFIG_NAME).write_text(_CONFIG.replace("FOLDER", str(folder)))
    os.environ[FOLDER_VARIABLE] = str(folder)
