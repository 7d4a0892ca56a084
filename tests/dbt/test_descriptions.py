"""A build describes every table that is published, and says which have data of a personal source."""

import json
from typing import Any

import pytest
from column_lineage import Model, Table
from dbt_support import rows
from sqlglot import exp, parse_one

from data_stack.registry import SOURCES
from data_stack.settings import Settings

PERSONAL = {f"raw_{source.name}" for source in SOURCES if source.personal_columns}


@pytest.fixture(scope="module")
def described(golden: Settings) -> dict[str, Any]:
    tables = json.loads((golden.build_dir / "tables.json").read_text())
    return {table["table_name"]: table for table in tables}


def find_raw_files(table: Table, models: dict[Table, Model]) -> set[str]:
    """The raw files that a table is computed from, by the tables in its SQL; the calendar is not followed."""
    if table not in models:
        return {table[0]}
    read = {
        tuple(part.name for part in found.parts)
        for found in parse_one(models[table].sql, dialect="duckdb").find_all(exp.Table)
    }
    followed = {other for other in read if len(other) == 3 and other[-1] != "dim_dates"}
    return {file for other in followed for file in find_raw_files(other, models)}


def test_every_published_column_is_described(golden: Settings, described: dict[str, Any]) -> None:
    found = rows(
        golden,
        "select schema_name || '.' || table_name, column_name from duckdb_columns() join duckdb_tables() using"
        " (database_name, schema_name, table_name) where schema_name in ('core', 'marts')",
    )
    assert found
    for table, column in found:
        assert described[table]["columns"].get(column), f"{table}.{column} has no description in its yml"
    assert {table for table, _ in found} == set(described)


def test_every_table_says_what_one_row_is(described: dict[str, Any]) -> None:
    assert [name for name, table in described.items() if not table["grain"].startswith("one row per ")] == []
    assert described["core.dim_dates"]["grain"] == "one row per local day"


def test_tables_of_personal_sources_are_marked(described: dict[str, Any], models: list[Model]) -> None:
    by_table = {model.table: model for model in models}
    for name, table in described.items():
        raw_files = find_raw_files(("warehouse", *name.split(".")), by_table)
        if name != "core.dim_dates":
            assert table["is_personal"] == bool(raw_files & PERSONAL), (name, raw_files)
            assert {f"raw_{source}" for source in table["sources"]} >= {
                file for file in raw_files if file.startswith("raw_")
            }
    assert not described["core.dim_dates"]["is_personal"]
    # no source at all: nothing is personal
    assert any(table["is_personal"] for table in described.values()) == bool(PERSONAL)


def test_lineage_names_the_nearest_published_tables(described: dict[str, Any]) -> None:
    upstream = {name: set(table["upstream"]) for name, table in described.items()}
    assert all(others <= set(described) and name not in others for name, others in upstream.items())
    # the calendar comes from the facts of all sources
    assert upstream["core.dim_dates"] >= {source.fact for source in SOURCES if source.has_window}
