"""The transform step: one `dbt build`, models and tests together, into the build file."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.errors import TerminalError
from data_stack.ops import NodeRecord, Ops
from data_stack.redaction import describe_database_message, describe_dbt_message, describe_error
from data_stack.registry import SOURCES
from data_stack.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

DBT_DIR = PROJECT_ROOT / "dbt"

OnNode = Callable[[str, str], None]

_FAILED = ("error", "fail", "runtime error")


@dataclass(frozen=True)
class TransformReport:
    """What one `dbt build` did.

    Attributes:
        models: Models built.
        tests: Data tests and unit tests that passed, warnings included; only a full refresh runs unit tests.
        warnings: Names of the tests that warned.
        seconds: Seconds of the whole step.
        full_refresh: Whether incremental models were built from nothing, and unit tests run.
    """

    models: int
    tests: int
    warnings: list[str]
    seconds: float
    full_refresh: bool

    def format_warnings(self) -> list[str]:
        """One line per test that warned."""
        return [f"dbt warns: {name}; the rows are in core, see the test of that name" for name in self.warnings]


def transform(
    settings: Settings, ops: Ops, run_id: str, full_refresh: bool = False, on_node: OnNode | None = None
) -> TransformReport:
    """Build every model and run every test.

    Incremental models are built from nothing when asked, and when the dbt project has changed since the last success.
    Unit tests do not depend on the data, so they too run only then.

    Args:
        settings: Whose `data_dir` is used.
        ops: Where the outcome of every node is recorded.
        run_id: The run that it belongs to.
        full_refresh: Build incremental models from nothing.
        on_node: Called with a node's name and status as soon as it has finished.

    Raises:
        TerminalError: A raw file is missing, or a model or test failed; names it.
    """
    began = time.perf_counter()
    _require_raw_files(settings)
    project_hash = _hash_project()
    full_refresh = _prepare_build_file(settings, ops, project_hash) or full_refresh
    scope = ["--full-refresh"] if full_refresh else ["--exclude-resource-type", "unit_test"]
    outcome = _invoke_dbt(settings, ["build", *scope], on_node)
    nodes = _read_nodes(outcome)
    ops.record_dbt_results(run_id, nodes)
    _raise_on_failure(settings, outcome)
    _remember_project(settings, project_hash)
    kinds = Counter(node.resource_type for node in nodes)
    return TransformReport(
        models=kinds["model"],
        tests=kinds["test"] + kinds["unit_test"],
        warnings=[node.node for node in nodes if node.status == "warn"],
        seconds=round(time.perf_counter() - began, 3),
        full_refresh=full_refresh,
    )


def generate_docs(settings: Settings) -> Path:
    """Write the documentation of the dbt project, with lineage, into one HTML file.

    Returns:
        The file, `DATA_DIR/docs/dbt/index.html`.

    Raises:
        TerminalError: There is no build yet, or dbt failed.
    """
    if not settings.build_file.exists():
        raise TerminalError(f"there is no build at {settings.build_file}; `data-stack transform` makes it")
    _raise_on_failure(settings, _invoke_dbt(settings, ["docs", "generate", "--static"]))
    page = settings.docs_dir / "dbt" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    (_target_dir(settings) / "static_index.html").replace(page)
    return page


def _require_raw_files(settings: Settings) -> None:
    for source in SOURCES:
        if not settings.raw_file(source.name).exists():
            raise TerminalError(
                f"{source.name}: {settings.raw_file(source.name)} is missing, and dbt reads the file of every source; "
                f"`data-stack ingest {source.name}` makes it, also without data"
            )


def _hash_project() -> str:
    """Hash of the models and macros: a changed one would leave rows of an incremental model as they were."""
    digest = hashlib.sha256((DBT_DIR / "dbt_project.yml").read_bytes())
    for path in sorted([*DBT_DIR.glob("models/**/*.*"), *DBT_DIR.glob("macros/**/*.*")]):
        digest.update(path.relative_to(DBT_DIR).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _prepare_build_file(settings: Settings, ops: Ops, project_hash: str) -> bool:
    """Write what dbt needs from the platform into the build file.

    Returns:
        Whether what is there was built by another version of the project, or its build never finished.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    passed = [(source.name, load_id) for source in SOURCES for load_id in sorted(ops.passed_loads(source.name))]
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema if not exists gate")
        db.execute("create or replace table gate.passed_loads (source varchar, load_id varchar)")
        if passed:
            db.executemany("insert into gate.passed_loads values (?, ?)", passed)
        db.execute("create table if not exists gate.built_with (project_hash varchar)")
        # forgotten before the build, so that a build that fails in between is never taken for the version before it
        db.execute("delete from gate.built_with where project_hash != ?", [project_hash])
        return not db.execute("select 1 from gate.built_with").fetchall()


def _remember_project(settings: Settings, project_hash: str) -> None:
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create or replace table gate.built_with as select ? as project_hash", [project_hash])


def _target_dir(settings: Settings) -> Path:
    return settings.build_dir / "dbt" / "target"


def _invoke_dbt(settings: Settings, arguments: Sequence[str], on_node: OnNode | None = None) -> "dbtRunnerResult":
    # dbt takes seconds to import: only the transform step pays for it
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    def report_node(event: Any) -> None:
        if on_node and event.info.name == "NodeFinished":
            on_node(event.data.node_info.node_name, event.data.node_info.node_status)

    paths = ["--project-dir", DBT_DIR, "--profiles-dir", DBT_DIR, "--target-path", _target_dir(settings)]
    # no log file: the database's messages in it can quote rows
    logs = ["--log-level", "none", "--log-level-file", "none", "--log-path", _target_dir(settings).parent / "logs"]
    try:
        with _profile_variables(settings):
            return dbtRunner(callbacks=[report_node]).invoke([*arguments, *map(str, paths + logs), "--no-print"])
    finally:
        # the runner keeps the build file open for writing
        DuckDBConnectionManager.close_all_connections()
        # so can the messages in this artifact
        (_target_dir(settings) / "run_results.json").unlink(missing_ok=True)


@contextmanager
def _profile_variables(settings: Settings) -> Iterator[None]:
    """Set the variables that `dbt/profiles.yml` reads, for the length of the block."""
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


def _read_nodes(outcome: "dbtRunnerResult") -> list[NodeRecord]:
    """The outcome of every node that dbt came to."""
    return [
        NodeRecord(
            node=result.node.name,
            resource_type=str(result.node.resource_type),
            status=str(result.status),
            seconds=round(result.execution_time, 3),
            failures=result.failures,
            message=describe_dbt_message(str(result.status), result.failures, result.message),
        )
        for result in getattr(outcome.result, "results", [])
        # the hook at the end of a build is neither a model nor a test, so only its failure is a result
        if result.node.resource_type != "operation" or str(result.status) in _FAILED
    ]


def _raise_on_failure(settings: Settings, outcome: "dbtRunnerResult") -> None:
    for result in getattr(outcome.result, "results", []):
        if str(result.status) in _FAILED:
            node, message = result.node, describe_dbt_message(str(result.status), result.failures, result.message)
            compiled = node.compiled_path or node.original_file_path
            raise TerminalError(
                f"dbt: {str(node.resource_type).replace('_', ' ')} {node.name} failed ({message}); its SQL is in "
                f"{compiled}; fix the model or the data, and check with `make check-dbt`"
            )
    if outcome.exception:
        raise TerminalError(
            f"dbt could not start: {_describe_start_failure(outcome.exception)}; check with `make check-dbt`"
        )
    if not outcome.success:
        raise TerminalError("dbt failed without naming a node; check with `make check-dbt`")


def _describe_start_failure(error: BaseException) -> str:
    """dbt's own messages are about the project; the database's message that one passes on can quote a row."""
    message = " ".join(str(error).split())
    is_of_dbt = type(error).__module__.split(".")[0] in ("dbt", "dbt_common")
    return describe_database_message(message) or (message if is_of_dbt else describe_error(error))
