"""Every column with personal values is marked in the models, and a build lists the marked columns."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt_support import rows
from sqlglot import exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR
from dlt_pipeline.reader import find_reader

# a table by catalog, schema and name
Table = tuple[str, ...]
Columns = dict[Table, set[str]]

RAW_COLUMNS: Columns = {
    (f"raw_{source.name}", "raw", table.name): {*table.schema.names, "_dlt_load_id"}
    for source in SOURCES
    for table in find_reader(source.name).tables
}
PERSONAL_RAW_COLUMNS: Columns = {
    table: columns & source.personal_columns
    for source in SOURCES
    for table, columns in RAW_COLUMNS.items()
    if table[0] == f"raw_{source.name}"
}


@dataclass
class Model:
    """What the tests need from a model: its table, the meta of its columns, and the compiled SQL."""

    table: Table
    meta: dict[str, Any]
    columns: dict[str, dict[str, Any]]
    types: dict[str, str]
    sql: str
    # for each column, the columns of other tables that it is made from
    origins: dict[str, set[tuple[Table, str]]]

    @property
    def name(self) -> str:
        return self.table[-1]

    def marks(self) -> dict[str, str]:
        """The personal columns with the value of `meta.personal`."""
        return {name: meta["personal"] for name, meta in self.columns.items() if "personal" in meta}


@pytest.fixture(scope="session")
def traced(golden: Settings) -> list[Model]:
    target = golden.build_dir / "dbt" / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    models = [
        Model(
            ("warehouse", node["schema"], node["name"]),
            node["config"]["meta"],
            {name: column["config"]["meta"] for name, column in node["columns"].items()},
            {name: column["data_type"] for name, column in node["columns"].items()},
            (target / "compiled/data_stack" / node["original_file_path"]).read_text(),
            {},
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    ]
    for model in models:
        model.origins = trace_columns(model.sql, models)
    return models


@pytest.fixture
def models(traced: list[Model]) -> list[Model]:
    """The models of the golden build, for a test to change."""
    return copy.deepcopy(traced)


def trace_columns(sql: str, models: Sequence[Model]) -> dict[str, set[tuple[Table, str]]]:
    """Trace each column of a query, through all renamings, to the columns of the tables that the query reads.

    A query that reads no table with a personal column is not traced, to save time.
    """
    columns = RAW_COLUMNS | {model.table: set(model.columns) for model in models}
    personal = PERSONAL_RAW_COLUMNS | {model.table: set(model.marks()) for model in models}
    query = parse_one(sql, dialect="duckdb")
    tables = {tuple(part.name for part in table.parts) for table in query.find_all(exp.Table)}
    if not any(personal.get(table) for table in tables):
        return {}
    schema: dict[str, Any] = {"warehouse": {"gate": {"passed_loads": {"source": "varchar", "load_id": "varchar"}}}}
    for catalog, name, table in tables & set(columns):
        types = dict.fromkeys(columns[catalog, name, table], "varchar")
        schema.setdefault(catalog, {}).setdefault(name, {})[table] = types
    query = qualify(query, schema=schema, dialect="duckdb")
    scope = build_scope(query)
    return {
        column: {
            (tuple(part.name for part in node.expression.parts), node.name.split(".")[-1].strip('"'))
            for node in lineage(column, query, schema=schema, scope=scope, dialect="duckdb").walk()
            if isinstance(node.expression, exp.Table)
        }
        for column in query.named_selects
    }


def find_unmarked_columns(models: Sequence[Model]) -> set[str]:
    """Columns made from a personal column without a mark, as `model.column`.

    A personal column is one of the registry or a marked one of another model. `not_personal` in the meta of a column
    and `is_aggregate` in the meta of a model say that no mark is needed.
    """
    personal = PERSONAL_RAW_COLUMNS | {model.table: set(model.marks()) for model in models}
    return {
        f"{model.name}.{column}"
        for model in models
        if not model.meta.get("is_aggregate")
        for column, origins in model.origins.items()
        if any(name in personal.get(table, ()) for table, name in origins)
        and not model.columns.get(column, {}).keys() & {"personal", "not_personal"}
    }


def named(models: Sequence[Model], name: str) -> Model:
    (found,) = (model for model in models if model.name == name)
    return found


def test_every_personal_column_is_marked(models: list[Model]) -> None:
    assert find_unmarked_columns(models) == set(), "decide in the yml: meta.personal or meta.not_personal"


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("stg_transactions__transactions", "name"),
        # the raw column is called recurring
        ("stg_transactions__transactions", "recurring_name"),
        ("stg_transactions__coverage", "account_mask"),
        ("fct_transactions", "amount"),
        ("fct_transaction_coverage_monthly", "account"),
        # called recurring_name in the facts; the difference of two amounts
        ("mart_recurring_payments", "name"),
        ("mart_recurring_payments", "amount_change"),
    ],
)
def test_missing_mark_is_found(models: list[Model], model: str, column: str) -> None:
    del named(models, model).columns[column]["personal"]
    assert find_unmarked_columns(models) == {f"{model}.{column}"}


def test_new_column_without_a_mark_is_found(models: list[Model]) -> None:
    staging = named(models, "stg_transactions__transactions")
    staging.sql = staging.sql.replace("as recurring_name,", "as recurring_name, upper(note) as remark,")
    staging.origins = trace_columns(staging.sql, models)
    assert find_unmarked_columns(models) == {"stg_transactions__transactions.remark"}


def test_sums_are_not_personal_because_the_model_says_so(models: list[Model]) -> None:
    del named(models, "mart_cash_flow_monthly").meta["is_aggregate"]
    assert find_unmarked_columns(models) == {
        f"mart_cash_flow_monthly.{column}" for column in ("income", "spending", "net", "savings_rate")
    }


def test_build_lists_the_marked_columns(golden: Settings, models: list[Model]) -> None:
    listed = rows(golden, "select table_name, column_name, data_type, is_published from gate.personal_columns")
    assert sorted(listed) == sorted(
        (f"{schema}.{name}", column, model.types[column], mark == "published")
        for model in models
        for _, schema, name in [model.table]
        if schema in ("core", "marts")
        for column, mark in model.marks().items()
    )
    assert ("core.fct_transactions", "amount", "decimal(18,2)", True) in listed


def run_small_project(folder: Path, marks: dict[str, str]) -> list[tuple[Any, ...]] | str:
    """Run a project of one model with our macros, and return the list that it wrote, or dbt's error message."""
    columns = [{"name": name, "data_type": "integer", "config": {"meta": {"personal": marks[name]}}} for name in marks]
    files = {
        "dbt_project.yml": {
            # our macros are dispatched in the namespace of our project
            "name": "data_stack",
            "macro-paths": [str(DBT_DIR / "macros")],
            "models": {"+schema": "core"},
            "on-run-end": yaml.safe_load((DBT_DIR / "dbt_project.yml").read_text())["on-run-end"],
            "profile": "small",
        },
        "profiles.yml": {
            "small": {"target": "small", "outputs": {"small": {"type": "duckdb", "path": str(folder / "small.duckdb")}}}
        },
        "models/facts.yml": {"models": [{"name": "facts", "columns": columns}]},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(content))
    (folder / "models" / "facts.sql").write_text("select 1 as secret, 2 as amount")
    options = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--log-path", str(folder), "--quiet"]
    try:
        outcome = dbtRunner().invoke(["run", *options])
    finally:
        DuckDBConnectionManager.close_all_connections()
    if outcome.exception:
        return str(outcome.exception)
    with duckdb.connect(str(folder / "small.duckdb"), read_only=True) as db:
        return db.execute("from gate.personal_columns order by column_name").fetchall()


@pytest.mark.slow
def test_list_distinguishes_withheld_and_published_columns(tmp_path: Path) -> None:
    assert run_small_project(tmp_path, {"secret": "withheld", "amount": "published"}) == [
        ("core.facts", "amount", "integer", True),
        ("core.facts", "secret", "integer", False),
    ]
    # the next run replaces the list
    assert run_small_project(tmp_path, {}) == []
    message = run_small_project(tmp_path, {"secret": "witheld"})
    assert "facts.secret: meta.personal is 'witheld'; write published or withheld" in message
