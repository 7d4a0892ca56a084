"""The transform step: one `dbt build`, models and tests together, into the build file."""

import gc
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.ops import NodeRecord, Ops
from data_stack.publish import semantic_manifest_file
from data_stack.redaction import describe_database_message, describe_dbt_message, describe_error
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from data_stack.tables import keep_descriptions
from dbt_runner.descriptions import describe_project
from dbt_runner.parsed import (
    hash_project,
    have_unit_tests_passed,
    keep_parsed_project,
    read_parsed_project,
    remember_unit_tests,
)
from dbt_runner.state import (
    BuiltProject,
    find_nodes_to_refill,
    forget_changed_nodes,
    hash_shared_inputs,
    read_built_project,
    remember_project,
    remember_project_hash,
)

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

DBT_DIR = PROJECT_ROOT / "dbt"

OnNode = Callable[[str, str], None]

_FAILED = ("error", "fail", "runtime error")
# kinds of nodes that a build leaves out
_LEFT_OUT = ("exposure",)


@dataclass(frozen=True)
class TransformReport:
    """What one `dbt build` did.

    Attributes:
        models: Models built.
        tests: Data tests and unit tests that passed, warnings included.
        unit_tests: How many of `tests` are unit tests: those of what has changed since the last build that succeeded;
            none where all of this version of the project have passed, in whichever data folder.
        rebuilt: Names of the incremental models and seeds that were built from nothing, because they or something
            upstream have changed; all on a full refresh.
        warnings: Names of the tests that warned.
        seconds: Seconds of the whole step.
        full_refresh: Whether everything was built from nothing: it was asked for, or the project that made the build
            file is unknown or differs in something that every model can depend on.
        is_current: Whether nothing was built, because nothing has changed since the last build.
        lake_fault: Why the lake does not have all that was built; None if it has, and without a lake.
        written_months: The months that were written of each incremental model that is stored by month, such as 2024-05;
            it is not in there if it was built from nothing.
    """

    models: int
    tests: int
    unit_tests: int
    rebuilt: list[str]
    warnings: list[str]
    seconds: float
    full_refresh: bool
    is_current: bool = False
    lake_fault: str | None = None
    written_months: Mapping[str, list[str]] = field(default_factory=dict)

    def format_warnings(self) -> list[str]:
        """One line per test that warned, and one if the lake could not be written."""
        lines = [f"dbt warns: {name}; the rows are in core, see the test of that name" for name in self.warnings]
        if self.lake_fault:
            lines.append(f"the lake does not have all that was built, and the next run completes it: {self.lake_fault}")
        return lines

    def summary(self) -> str:
        """What was built, and what was included because the project has changed."""
        if self.is_current:
            return "nothing has changed since the last build"
        written = "".join(f"; months written of {name}: {len(months)}" for name, months in self.written_months.items())
        return f"{self.models} models, {self.tests} tests; {self._describe_scope()}{written}"

    def _describe_scope(self) -> str:
        if self.full_refresh:
            return f"full refresh, {'unit tests included' if self.unit_tests else 'unit tests have passed before'}"
        rebuilt = f"; {', '.join(self.rebuilt)} built from nothing" if self.rebuilt else ""
        if self.unit_tests:
            return f"unit tests of what has changed included{rebuilt}"
        return f"unit tests run when their models change{rebuilt}"


@dataclass(frozen=True)
class _Plan:
    """What one build does; `included` has the unique ids of what is built from nothing or unit-tested.

    `are_unit_tests_proved` says that all of them have passed before in this version of the project.
    """

    manifest: "Manifest"
    project_hash: str
    shared_inputs: str
    included: set[str]
    full_refresh: bool
    are_unit_tests_proved: bool

    def list_arguments(self) -> list[str]:
        if not self.included:
            # the state stays as it is, so dbt need not write its manifest
            return ["--exclude-resource-type", "unit_test", "--no-write-json"]
        refresh = ["--full-refresh"] if self.full_refresh else []
        if self.are_unit_tests_proved:
            return [*refresh, "--exclude-resource-type", "unit_test"]
        skipped = [".".join(test.fqn) for name, test in self.manifest.unit_tests.items() if name not in self.included]
        return [*refresh, *(["--exclude", *skipped] if skipped else [])]

    def runs_all_unit_tests(self) -> bool:
        return not self.are_unit_tests_proved and self.included.issuperset(self.manifest.unit_tests)


def transform(
    settings: Settings, ops: Ops, run_id: str, full_refresh: bool = False, on_node: OnNode | None = None
) -> TransformReport:
    """Build every model and run every data test.

    An incremental model is built from nothing when asked, and when it or something upstream has changed since the last
    build that succeeded. Unit tests do not depend on the data, so they too run only for what has changed, and not at
    all where this version of the project has passed them in another data folder, unless a full refresh is asked for.

    Args:
        settings: Whose `data_dir` is used.
        ops: Where the outcome of every node is recorded.
        run_id: The run that it belongs to.
        full_refresh: Build every incremental model from nothing.
        on_node: Called with a node's name and status as soon as it has finished.

    Raises:
        TerminalError: A raw file is missing, or a model or test failed; names it.
    """
    began = time.perf_counter()
    if settings.engine == "spark":
        return _transform_on_spark(settings, ops, run_id, full_refresh, on_node)
    _require_raw_files(settings)
    with _pause_garbage_collection():
        plan = _begin_build(settings, ops, full_refresh)
        left_out = [word for kind in _LEFT_OUT for word in ("--exclude-resource-type", kind)]
        arguments = ["build", *left_out, *plan.list_arguments()]
        outcome = _invoke_dbt(settings, arguments, on_node, plan.manifest)
    nodes = _read_nodes(outcome)
    ops.record_dbt_results(run_id, nodes)
    _raise_on_failure(settings, outcome)
    keep_descriptions(settings, describe_project(plan.manifest))
    if plan.runs_all_unit_tests():
        remember_unit_tests(plan.project_hash)
    _write_semantic_manifest(settings, plan.manifest)
    if plan.included:
        remember_project(settings, _target_dir(settings) / "manifest.json", plan.shared_inputs, plan.project_hash)
    return _describe_build(plan, nodes, time.perf_counter() - began)


def _transform_on_spark(
    settings: Settings, ops: Ops, run_id: str, full_refresh: bool, on_node: OnNode | None
) -> TransformReport:
    """Build everything from nothing but the facts by month: a Parquet table cannot lose single rows."""
    from dbt_runner.spark import find_portable_unit_tests, poll_quickly, prepare_spark
    from dbt_runner.spark_facts import drop_unusable_facts, find_facts, find_written_months, hash_facts
    from dbt_runner.spark_tables import fetch_tables

    began = time.perf_counter()
    prepare_spark(settings, ops)
    poll_quickly()
    project_hash = _hash_project(settings)
    manifest = parse_project(settings, project_hash)
    is_proved = not full_refresh and have_unit_tests_passed(project_hash)
    included = {*manifest.nodes, *find_portable_unit_tests(manifest)}
    plan = _Plan(manifest, project_hash, "", included, full_refresh, is_proved)
    left_out = [word for kind in _LEFT_OUT for word in ("--exclude-resource-type", kind)]
    versions = hash_facts(manifest, DBT_DIR / "dbt_project.yml")
    rebuilt = drop_unusable_facts(settings, manifest, {} if full_refresh else versions)
    arguments = ["build", *left_out, *plan.list_arguments()]
    outcome = _build_on_spark(settings, manifest, arguments, versions, on_node)
    nodes = _read_nodes(outcome)
    ops.record_dbt_results(run_id, nodes)
    _raise_on_failure(settings, outcome)
    if not is_proved:
        remember_unit_tests(project_hash)
    fetch_tables(settings, manifest)
    keep_descriptions(settings, describe_project(manifest))
    _write_semantic_manifest(settings, manifest)
    report = _describe_build(plan, nodes, time.perf_counter() - began)
    is_full = full_refresh or len(rebuilt) == len(find_facts(manifest))
    return replace(report, rebuilt=rebuilt, full_refresh=is_full, written_months=find_written_months(outcome))


def _build_on_spark(
    settings: Settings,
    manifest: "Manifest",
    arguments: Sequence[str],
    versions: Mapping[str, str],
    on_node: OnNode | None = None,
) -> "dbtRunnerResult":
    """Run dbt, which writes the versions to the facts; once more if a killed server has left folders in its way."""
    from dbt_runner.spark import clear_folders, find_refused_tables
    from dbt_runner.spark_facts import describe_versions

    variables = describe_versions(versions)
    outcome = _invoke_dbt(settings, arguments, on_node, manifest, variables)
    leftovers = find_refused_tables(result.message or "" for result in getattr(outcome.result, "results", []))
    if not leftovers:
        return outcome
    clear_folders(settings, leftovers)
    return _invoke_dbt(settings, arguments, on_node, manifest, variables)


def _write_semantic_manifest(settings: Settings, manifest: "Manifest") -> None:
    """Keep the definitions of metrics beside the build, also where dbt writes no file of its own."""
    from dbt.contracts.graph.semantic_manifest import SemanticManifest

    SemanticManifest(manifest).write_json_to_file(str(semantic_manifest_file(settings)))


def _describe_build(plan: _Plan, nodes: Sequence[NodeRecord], seconds: float) -> TransformReport:
    kinds = Counter(node.resource_type for node in nodes)
    return TransformReport(
        models=kinds["model"],
        tests=kinds["test"] + kinds["unit_test"],
        unit_tests=kinds["unit_test"],
        rebuilt=[node.name for node in find_nodes_to_refill(plan.manifest, plan.included)],
        warnings=[node.node for node in nodes if node.status == "warn"],
        seconds=round(seconds, 3),
        full_refresh=plan.full_refresh,
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


def compile_project(settings: Settings) -> "tuple[Manifest, dict[str, str]]":
    """Parse the project, and compile the SQL of its models and singular tests; builds nothing.

    Args:
        settings: Where dbt keeps the parsed project; the raw file of every source exists, and may be empty.

    Returns:
        The manifest, and the SQL by unique id.

    Raises:
        TerminalError: The project cannot be parsed or compiled; says why.
    """
    manifest = parse_project(settings)
    kinds = ["--select", "resource_type:model", "test_type:singular", "--indirect-selection", "empty"]
    outcome = _invoke_dbt(settings, ["compile", "--no-write-json", *kinds], manifest=manifest)
    _raise_on_failure(settings, outcome)
    return manifest, {result.node.unique_id: result.node.compiled_code for result in outcome.result.results}


@contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """dbt makes millions of objects that stay, and looking for garbage among them takes a sixth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _require_raw_files(settings: Settings) -> None:
    for source in SOURCES:
        if not settings.raw_file(source.name).exists():
            raise TerminalError(
                f"{source.name}: {settings.raw_file(source.name)} is missing, and dbt reads the file of every source; "
                f"`data-stack ingest {source.name}` makes it, also without data"
            )


def _begin_build(settings: Settings, ops: Ops, full_refresh: bool) -> _Plan:
    """Compare the project with the one that made the build file, and forget what the build is going to change."""
    built = _prepare_build_file(settings, ops)
    project_hash = _hash_project(settings)
    manifest = parse_project(settings, project_hash)
    shared_inputs = hash_shared_inputs(manifest, DBT_DIR / "dbt_project.yml")
    changed = _find_changed_nodes(settings, manifest, built, project_hash, shared_inputs)
    forget_changed_nodes(settings, manifest, changed)
    is_proved = not full_refresh and have_unit_tests_passed(project_hash)
    if full_refresh or changed is None:
        return _Plan(manifest, project_hash, shared_inputs, {*manifest.nodes, *manifest.unit_tests}, True, is_proved)
    return _Plan(manifest, project_hash, shared_inputs, changed, False, is_proved)


def _prepare_build_file(settings: Settings, ops: Ops) -> BuiltProject | None:
    """Write what dbt needs from the platform into the build file.

    Returns:
        The project that made what is there.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    passed = [(source.name, load_id) for source in SOURCES for load_id in sorted(ops.passed_loads(source.name))]
    with connect_duckdb(settings.build_file) as db:
        db.execute("create schema if not exists gate")
        db.execute("create or replace table gate.passed_loads (source varchar, load_id varchar)")
        if passed:
            db.executemany("insert into gate.passed_loads values (?, ?)", passed)
        return read_built_project(db, settings)


def parse_project(settings: Settings, project_hash: str | None = None) -> "Manifest":
    """The parsed dbt project; it is kept beside the project, and dbt keeps the parse of each data folder.

    Args:
        settings: Whose `data_dir` is used.
        project_hash: The version of the project, if the caller knows it.

    Raises:
        TerminalError: The project has an error.
    """
    project_hash = project_hash or _hash_project(settings)
    manifest = read_parsed_project(project_hash)
    if manifest is None:
        outcome = _invoke_dbt(settings, ["parse", "--no-write-json"])
        _raise_on_failure(settings, outcome)
        keep_parsed_project(project_hash, _target_dir(settings) / "partial_parse.msgpack")
        manifest = outcome.result
    return manifest


def _hash_project(settings: Settings) -> str:
    return hash_project(DBT_DIR, {**_describe_sources(), **_describe_engine(settings)})


def _find_changed_nodes(
    settings: Settings, manifest: "Manifest", built: BuiltProject | None, project_hash: str, shared_inputs: str
) -> set[str] | None:
    """Ask dbt which models, seeds and unit tests have changed since the last build, and what depends on them.

    Returns:
        Their unique ids; None if every model can have changed.
    """
    if built is None or built.shared_inputs != shared_inputs:
        return None
    if built.project_hash == project_hash:
        return set(built.unfinished)
    select = ["--select", "state:modified+", "--state", str(built.folder)]
    types = ["--resource-type", "model", "--resource-type", "seed", "--resource-type", "unit_test"]
    output = ["--output", "json", "--output-keys", "unique_id", "--no-write-json"]
    outcome = _invoke_dbt(settings, ["ls", *select, *types, *output], manifest=manifest)
    # a manifest that is gone, or that this version of dbt does not read
    if not outcome.success:
        return None
    changed = {json.loads(line)["unique_id"] for line in outcome.result} | built.unfinished
    if not changed:
        remember_project_hash(built, project_hash)
    return changed


def _target_dir(settings: Settings) -> Path:
    return settings.build_dir / "dbt" / "target"


def _invoke_dbt(
    settings: Settings,
    arguments: Sequence[str],
    on_node: OnNode | None = None,
    manifest: "Manifest | None" = None,
    variables: Mapping[str, str] | None = None,
) -> "dbtRunnerResult":
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
        with set_dbt_variables(settings, variables):
            runner = dbtRunner(manifest, callbacks=[report_node])
            return runner.invoke([*arguments, *map(str, paths + logs), "--no-print"])
    finally:
        # the runner keeps the build file open for writing
        DuckDBConnectionManager.close_all_connections()
        # so can the messages in this artifact
        (_target_dir(settings) / "run_results.json").unlink(missing_ok=True)


@contextmanager
def set_dbt_variables(settings: Settings, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    """Set the variables that `dbt/` reads, for the length of the block: the files of this data folder, the sources.

    Args:
        settings: Whose data folder is used.
        variables: More of them, which only this build has.
    """
    values = {**list_dbt_variables(settings), **(variables or {})}
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


def list_dbt_variables(settings: Settings) -> dict[str, str]:
    """The variables that `dbt/` reads, with their values.

    Args:
        settings: Whose data folder is used.
    """
    return {
        "DATA_STACK_BUILD_FILE": str(settings.build_file),
        "DATA_STACK_ATTACH": json.dumps([_describe_raw_file(settings, source) for source in SOURCES]),
        "DATA_STACK_MEMORY_LIMIT": settings.duckdb_memory_limit,
        "DATA_STACK_SPARK_HOST": settings.spark_host,
        "DATA_STACK_SPARK_PORT": str(settings.spark_port),
        **_describe_engine(settings),
        **_describe_sources(),
    }


def _describe_engine(settings: Settings) -> dict[str, str]:
    """The variables by which the parsed project differs between engines."""
    target = "spark" if settings.engine == "spark" else "build"
    return {"DATA_STACK_TARGET": target, "DATA_STACK_SPARK_SCHEMA": settings.spark_schema}


def _describe_sources() -> dict[str, str]:
    """The variables that models read; all others are read by the profile only."""
    return {
        "DATA_STACK_SOURCES": " ".join(source.name for source in SOURCES),
        "DATA_STACK_CALENDARS": " ".join(_find_calendars()),
    }


def _find_calendars() -> list[str]:
    """Names of the sources that know holidays: those with a model `calendar_of_<source>`."""
    found = {path.stem.removeprefix("calendar_of_") for path in DBT_DIR.glob("models/**/calendar_of_*.sql")}
    return [source.name for source in SOURCES if source.name in found]


def _describe_raw_file(settings: Settings, source: Source) -> dict[str, Any]:
    """One entry of `attach` in `dbt/profiles.yml`."""
    return {"path": str(settings.raw_file(source.name)), "alias": f"raw_{source.name}", "read_only": True}


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
            # a unit test has no SQL of its own
            compiled = getattr(node, "compiled_path", None)
            where = f"its SQL is in {compiled}" if compiled else f"it is defined in {node.original_file_path}"
            raise TerminalError(
                f"dbt: {str(node.resource_type).replace('_', ' ')} {node.name} failed ({message}); {where}; fix the "
                "model or the data, and check with `make check-dbt`"
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
