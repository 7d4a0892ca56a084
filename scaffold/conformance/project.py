"""Reads the dbt project: its manifest, and the columns that its SQL gives on empty raw tables."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from dlt_pipeline.reader import find_reader
from dlt_pipeline.tables import RawTable
from scaffold.conformance.raw_tables import create_empty_tables

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

CACHE = PROJECT_ROOT / ".cache" / "conformance"
"""Folder with the parsed project, which saves seconds in the next run."""

_PASSED_LOADS = "source varchar, load_id varchar"
_PERSONAL_COLUMNS = "table_name varchar, column_name varchar, data_type varchar, is_published boolean"

Columns = dict[str, str]


@dataclass
class ProjectFacts:
    """What is known about the dbt project.

    Attributes:
        problem: Why dbt cannot parse or compile the project; empty if it can.
        manifest: dbt's manifest.
        sql: Compiled SQL of models and singular tests, by unique id.
        columns: Columns and types that the SQL of a model gives, by unique id; with a problem, those of its contract.
        contracts: Columns and types of the contract, by unique id.
        problems: Why the SQL of a model or test cannot be bound, by unique id.
        raw_columns: Columns of every raw table, by source and table.
        used_columns: By source, the columns of its main raw table that its staging model uses.
        upstream: Names of the sources upstream of a node, by unique id.
    """

    problem: str = ""
    manifest: Any = None
    sql: dict[str, str] = field(default_factory=dict)
    columns: dict[str, Columns] = field(default_factory=dict)
    contracts: dict[str, Columns] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    raw_columns: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    used_columns: dict[str, set[str]] = field(default_factory=dict)
    upstream: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def models(self) -> list[Any]:
        """Models of the project, in the order of their names."""
        nodes = [node for node in self.manifest.nodes.values() if node.resource_type == "model"]
        return sorted(nodes, key=lambda node: str(node.name))

    def tests_of(self, unique_id: str) -> list[Any]:
        """Data tests that depend on a model."""
        nodes = self.manifest.nodes.values()
        return [node for node in nodes if node.resource_type == "test" and unique_id in node.depends_on.nodes]

    def find_table(self, name: str) -> Any | None:
        """The model that builds a published table, `schema.table`."""
        found = [node for node in self.models() if f"{node.schema}.{node.alias}" == name]
        return found[0] if found else None


def stg_name(source: Source) -> str:
    """Name of the staging model of the main table."""
    return f"stg_{source.name}__{source.table}"


def read_project(sources: tuple[Source, ...] = SOURCES) -> ProjectFacts:
    """Parse and compile the project, and bind its SQL on the raw tables of the readers, which need no data."""
    facts = ProjectFacts()
    tables = find_raw_tables(sources)
    try:
        with _hold_cache() as settings:
            _make_raw_files(settings)
            facts.manifest, facts.sql = _compile(settings)
    except TerminalError as error:
        facts.problem = str(error)
        return facts
    facts.upstream = _find_upstream(facts.manifest)
    facts.raw_columns = {
        (name, table.name): {*table.schema.names, "_dlt_load_id"} for name, made in tables.items() for table in made
    }
    with duckdb.connect() as db:
        _create_databases(db, tables)
        _bind_nodes(db, facts)
        for source in sources:
            facts.used_columns[source.name] = _find_used_columns(db, facts, source, tables[source.name])
    return facts


def find_raw_tables(sources: tuple[Source, ...]) -> dict[str, tuple[RawTable, ...]]:
    """Raw tables of every source; none where its reader cannot be imported, which the layer reader reports."""
    found: dict[str, tuple[RawTable, ...]] = {}
    for source in sources:
        try:
            found[source.name] = find_reader(source.name).tables
        except Exception:
            found[source.name] = ()
    return found


@contextmanager
def _hold_cache() -> Iterator[Settings]:
    """The folder that keeps the parsed project; one process at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Settings.load(data_dir=CACHE)


def _make_raw_files(settings: Settings) -> None:
    """The profile attaches a raw file per source; compiling reads none of their tables."""
    settings.raw_dir.mkdir(parents=True, exist_ok=True)
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if not settings.raw_file(source.name).exists():
            duckdb.connect(str(settings.raw_file(source.name))).close()


def _compile(settings: Settings) -> "tuple[Manifest, dict[str, str]]":
    from dbt_runner.build import compile_project

    return compile_project(settings)


def _find_upstream(manifest: "Manifest") -> dict[str, tuple[str, ...]]:
    names = {source.name for source in SOURCES}
    nodes = {**manifest.nodes, **manifest.exposures, **manifest.unit_tests}
    found: dict[str, set[str]] = {
        unique_id: {source.source_name} & names for unique_id, source in manifest.sources.items()
    }

    def visit(unique_id: str) -> set[str]:
        if unique_id not in found:
            # the days of all sources say nothing about what a model is made from
            if unique_id.endswith(".dim_dates"):
                return set()
            parents = getattr(nodes[unique_id].depends_on, "nodes", []) if unique_id in nodes else []
            found[unique_id] = set().union(*(visit(parent) for parent in parents))
        return found[unique_id]

    return {unique_id: tuple(sorted(visit(unique_id))) for unique_id in nodes}


def _create_databases(db: duckdb.DuckDBPyConnection, tables: Mapping[str, tuple[RawTable, ...]]) -> None:
    for source_name, raw_tables in tables.items():
        db.execute(f"attach ':memory:' as raw_{source_name}; use raw_{source_name}")
        create_empty_tables(db, raw_tables)
    db.execute("attach ':memory:' as warehouse; use warehouse; create schema gate")
    db.execute(f"create table gate.passed_loads ({_PASSED_LOADS})")
    db.execute(f"create table gate.personal_columns ({_PERSONAL_COLUMNS})")


def _bind_nodes(db: duckdb.DuckDBPyConnection, facts: ProjectFacts) -> None:
    """Create every model as an empty table; one that cannot be bound has the columns of its contract."""
    done: set[str] = set()

    def visit(unique_id: str) -> None:
        node = facts.manifest.nodes.get(unique_id)
        if node is None or unique_id in done:
            return
        done.add(unique_id)
        for parent in getattr(node.depends_on, "nodes", []):
            visit(parent)
        if node.resource_type == "seed":
            _create_seed(db, node)
        elif node.resource_type == "model" and node.config.materialized != "ephemeral":
            _create_model(db, facts, node)
        elif node.resource_type in ("test", "model") and unique_id in facts.sql:
            _bind_test(db, facts, unique_id)

    for unique_id in facts.manifest.nodes:
        visit(unique_id)


def _create_seed(db: duckdb.DuckDBPyConnection, node: Any) -> None:
    path = PROJECT_ROOT / "dbt" / node.original_file_path
    pairs = ", ".join(f"'{name}': '{kind}'" for name, kind in (node.config.column_types or {}).items())
    types = f", types = {{{pairs}}}" if pairs else ""
    db.execute(f"create schema if not exists {node.schema}")
    db.execute(
        f"create table {node.schema}.{node.alias} as select * from read_csv('{path}', header = true{types}) limit 0"
    )


def _create_model(db: duckdb.DuckDBPyConnection, facts: ProjectFacts, node: Any) -> None:
    table = f"{node.schema}.{node.alias}"
    db.execute(f"create schema if not exists {node.schema}")
    facts.contracts[node.unique_id] = _create_contract(db, facts, node)
    try:
        db.execute(f"create or replace table {table} as select * from ({facts.sql[node.unique_id]}\n) limit 0")
    except duckdb.Error as error:
        facts.problems[node.unique_id] = _first_line(error)
    if facts.contracts[node.unique_id] or node.unique_id not in facts.problems:
        facts.columns[node.unique_id] = _describe(db, table)


def _create_contract(db: duckdb.DuckDBPyConnection, facts: ProjectFacts, node: Any) -> Columns:
    """Columns of the contract with DuckDB's names of their types."""
    table = f"{node.schema}.{node.alias}"
    declared = [f'"{name}" {column.data_type or "varchar"}' for name, column in node.columns.items()]
    if not declared:
        return {}
    try:
        db.execute(f"create or replace table {table} ({', '.join(declared)})")
    except duckdb.Error as error:
        facts.problems[node.unique_id] = f"the contract has a type that DuckDB does not know: {_first_line(error)}"
        return {}
    return _describe(db, table)


def _describe(db: duckdb.DuckDBPyConnection, table: str) -> Columns:
    return {name: kind for name, kind, *_ in db.execute(f"describe {table}").fetchall()}


def _bind_test(db: duckdb.DuckDBPyConnection, facts: ProjectFacts, unique_id: str) -> None:
    try:
        db.execute(f"explain {facts.sql[unique_id]}")
    except duckdb.Error as error:
        facts.problems[unique_id] = _first_line(error)


def bind_query(db: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Why a query names a table or column that does not exist; empty if it does not."""
    try:
        db.execute(f"explain {sql}")
    except duckdb.Error as error:
        message = _first_line(error)
        return message if "does not exist" in message or "not found" in message else ""
    return ""


@contextmanager
def open_published(facts: ProjectFacts) -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables of core and marts, with the columns that the models give."""
    with duckdb.connect() as db:
        for node in facts.models():
            columns = facts.columns.get(node.unique_id, {})
            if node.schema in ("core", "marts") and columns:
                pairs = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
                db.execute(f"create schema if not exists {node.schema}")
                db.execute(f"create table {node.schema}.{node.alias} ({pairs})")
        yield db


def _find_used_columns(
    db: duckdb.DuckDBPyConnection, facts: ProjectFacts, source: Source, tables: tuple[RawTable, ...]
) -> set[str]:
    """Columns of the main raw table without which the staging model cannot be bound."""
    staged = next((node for node in facts.models() if node.name == stg_name(source)), None)
    main = next((table for table in tables if table.name == source.table), None)
    if staged is None or main is None or staged.unique_id in facts.problems:
        return set()
    used = set()
    for name in main.schema.names:
        db.execute(f"use raw_{source.name}")
        create_empty_tables(db, [main], without=(main.name, name))
        db.execute("use warehouse")
        try:
            db.execute(f"explain {facts.sql[staged.unique_id]}")
        except duckdb.Error:
            used.add(name)
    return used


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
