"""The columns of the models, traced through their SQL to the columns that they are made from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from data_stack.registry import SOURCES
from data_stack.settings import Settings
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


def trace_models(golden: Settings) -> list[Model]:
    """The models of a build, with the origins of their columns."""
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
