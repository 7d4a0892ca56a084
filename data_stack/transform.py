"""The transform step: one `dbt build`, models and tests together, into the build file."""

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.errors import TerminalError
from data_stack.gate import require_passed
from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

DBT_DIR = PROJECT_ROOT / "dbt"

OnNode = Callable[[str, str], None]

_FAILED = ("error", "fail", "runtime error")
# DuckDB's kinds of error whose words come from the SQL and the files; those of the others can quote a row
_KINDS_WITHOUT_ROWS = ("Binder", "Catalog", "Parser", "IO", "Permission", "Out of Memory", "Dependency")
_KIND = re.compile(r"([A-Z][\w ]*?) Error: (.*)")


@dataclass(frozen=True)
class TransformReport:
    """What one `dbt build` did.

    Attributes:
        models: Models built.
        tests: Data tests and unit tests passed, warnings included; a run without full refresh has no unit tests.
        warnings: Names of the tests that warned.
        seconds: Seconds of the whole step.
        full_refresh: Whether incremental models were built from nothing, and unit tests run.
    """

    models: int
    tests: int
    warnings: list[str]
    seconds: float
    full_refresh: bool

    def sentences(self) -> list[str]:
        """A line a test that warned."""
        return [f"dbt warns: {name}; the rows are in core, see the test of that name" for name in self.warnings]


def transform(
    settings: Settings, ops: Ops, run_id: str, full_refresh: bool = False, on_node: OnNode | None = None
) -> TransformReport:
    """Build every model and run every test.

    Incremental models are built from nothing when asked, and when the dbt project has changed since the last success.
    Unit tests see no data, so they too run only then.

    Args:
        settings: Whose `data_dir` is used.
        ops: Where the result of every node is recorded.
        run_id: The run it belongs to.
        full_refresh: Build incremental models from nothing.
        on_node: Called with a node's name and status as soon as it has finished.

    Raises:
        GateFailedError: A load has not passed its gate.
        TerminalError: A raw file is missing, or a model or test failed; names it.
    """
    began = time.perf_counter()
    require_passed(settings, ops)
    _require_raw_files(settings)
    project_hash = _project_hash()
    full_refresh = _prepare(settings, ops, project_hash) or full_refresh
    outcome = _invoke(settings, ["build", *_scope(full_refresh)], on_node)
    nodes = _node_results(outcome)
    ops.record_dbt_results(run_id, nodes)
    _raise_on_failure(settings, outcome, nodes)
    _remember_project(settings, project_hash)
    return _report(nodes, time.perf_counter() - began, full_refresh)


def generate_docs(settings: Settings) -> Path:
    """Write the documentation of the dbt project, with lineage, into one HTML file.

    Returns:
        The file, `DATA_DIR/docs/dbt/index.html`.

    Raises:
        TerminalError: There is no build yet, or dbt refused.
    """
    if not settings.build_file.exists():
        raise TerminalError(f"there is no build at {settings.build_file}; `data-stack transform` makes it")
    outcome = _invoke(settings, ["docs", "generate", "--static"])
    _raise_on_failure(settings, outcome, [])
    page = settings.docs_dir / "dbt" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    (_target_dir(settings) / "static_index.html").replace(page)
    return page


def _require_raw_files(settings: Settings) -> None:
    for source in SOURCES:
        if not settings.raw_file(source.name).exists():
            raise TerminalError(
                f"{source.name}: {settings.raw_file(source.name)} is missing, and dbt reads every source's file; "
                f"`data-stack ingest {source.name}` makes it, also without data"
            )


def _project_hash() -> str:
    """Hash of the models and macros: rows of an incremental model that other SQL wrote would stay as they are."""
    digest = hashlib.sha256((DBT_DIR / "dbt_project.yml").read_bytes())
    for path in sorted([*DBT_DIR.glob("models/**/*.*"), *DBT_DIR.glob("macros/**/*.*")]):
        digest.update(path.relative_to(DBT_DIR).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _scope(full_refresh: bool) -> list[str]:
    return ["--full-refresh"] if full_refresh else ["--exclude-resource-type", "unit_test"]


def _prepare(settings: Settings, ops: Ops, project_hash: str) -> bool:
    """Write what dbt needs from the platform into the build file.

    Returns:
        Whether what is there was built by another version of the project, or its build never finished.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    passed = [(source.name, load) for source in SOURCES for load in sorted(ops.decided_loads(source.name))]
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema if not exists gate")
        db.execute("create or replace table gate.passed_loads (source varchar, load_id varchar)")
        if passed:
            db.executemany("insert into gate.passed_loads values (?, ?)", passed)
        db.execute("create table if not exists gate.built_with (project_hash varchar)")
        # forgotten before the build, so that one which fails half-way is never taken for the version before it
        db.execute("delete from gate.built_with where project_hash != ?", [project_hash])
        return not db.execute("select 1 from gate.built_with").fetchall()


def _remember_project(settings: Settings, project_hash: str) -> None:
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create or replace table gate.built_with as select ? as project_hash", [project_hash])


def _target_dir(settings: Settings) -> Path:
    return settings.build_dir / "dbt" / "target"


def _log_file(settings: Settings) -> Path:
    return settings.build_dir / "dbt" / "logs" / "dbt.log"


def _invoke(settings: Settings, arguments: Sequence[str], on_node: OnNode | None = None) -> "dbtRunnerResult":
    # dbt takes seconds to import: only whoever transforms pays for it
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    runner = dbtRunner(callbacks=[_announce(on_node)] if on_node else [])
    try:
        with _environment(settings):
            return runner.invoke([*arguments, *_options(settings)])
    finally:
        # the runner keeps the build file open for writing
        DuckDBConnectionManager.close_all_connections()


def _options(settings: Settings) -> list[str]:
    paths = {
        "--project-dir": DBT_DIR,
        "--profiles-dir": DBT_DIR,
        "--target-path": _target_dir(settings),
        "--log-path": _log_file(settings).parent,
    }
    levels = [
        "--log-level",
        "none",
        "--log-level-file",
        "info",
        "--no-use-colors",
        "--no-use-colors-file",
        "--no-print",
    ]
    return [*(str(part) for option in paths.items() for part in option), *levels]


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    """The variables that `dbt/profiles.yml` reads, for the length of the block."""
    values = {
        "DATA_STACK_BUILD_FILE": str(settings.build_file),
        "DATA_STACK_RAW_DIR": str(settings.raw_dir),
        "DATA_STACK_MEMORY_LIMIT": settings.duckdb_memory_limit,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _announce(on_node: OnNode) -> Callable[[Any], None]:
    def announce(event: Any) -> None:
        if event.info.name == "NodeFinished":
            info = event.data.node_info
            on_node(info.node_name, info.node_status)

    return announce


NodeResult = tuple[str, str, str, float, int | None, str | None]


def _node_results(outcome: "dbtRunnerResult") -> list[NodeResult]:
    """(node, resource type, status, seconds, failures, message) of every node that dbt came to."""
    return [
        (
            result.node.name,
            str(result.node.resource_type),
            str(result.status),
            round(result.execution_time, 3),
            result.failures,
            _words(str(result.status), result.failures, result.message),
        )
        for result in getattr(outcome.result, "results", [])
        # the hook at the end of a build is neither a model nor a test, so only its failure is a result
        if result.node.resource_type != "operation" or str(result.status) in _FAILED
    ]


def _words(status: str, failures: int | None, message: str | None) -> str | None:
    """Why a node did not succeed, without anything that a row could have brought."""
    if status in ("fail", "warn"):
        return f"{failures} rows break it"
    if status not in _FAILED or not message:
        return None
    if message.startswith("Compilation Error"):
        return " ".join(message.split())
    found = _KIND.search(message.split("\n", 1)[-1])
    if not found:
        return message.splitlines()[0].rstrip(":")
    kind, words = found.groups()
    return f"{kind} Error: {words}" if kind in _KINDS_WITHOUT_ROWS else f"{kind} Error"


def _raise_on_failure(settings: Settings, outcome: "dbtRunnerResult", nodes: Sequence[NodeResult]) -> None:
    for name, resource_type, status, _, _, words in nodes:
        if status in _FAILED:
            raise TerminalError(
                f"dbt: {resource_type.replace('_', ' ')} {name} failed ({words}); see {_log_file(settings)}, "
                "mend the model or the data, check with `make check-dbt`"
            )
    if outcome.exception:
        reason = " ".join(str(outcome.exception).split())
        raise TerminalError(f"dbt could not start: {reason}; see {_log_file(settings)}, check with `make check-dbt`")
    if not outcome.success:
        raise TerminalError(f"dbt failed without naming a node; see {_log_file(settings)}")


def _report(nodes: Sequence[NodeResult], seconds: float, full_refresh: bool) -> TransformReport:
    kinds = Counter(resource_type for _, resource_type, *_ in nodes)
    warnings = [name for name, _, status, *_ in nodes if status == "warn"]
    return TransformReport(
        models=kinds["model"],
        tests=kinds["test"] + kinds["unit_test"],
        warnings=warnings,
        seconds=round(seconds, 3),
        full_refresh=full_refresh,
    )
