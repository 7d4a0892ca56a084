"""Every column with personal values is marked in the models, and a build lists the marked columns."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from column_lineage import Model, find_unmarked_columns
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt_support import rows

from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR


def test_every_personal_column_is_marked(models: list[Model]) -> None:
    assert find_unmarked_columns(models) == set(), "decide in the yml: meta.personal or meta.not_personal"


def test_every_missing_mark_is_found(models: list[Model]) -> None:
    for model in models:
        for column in model.marks():
            mark = model.columns[column].pop("personal")
            assert f"{model.name}.{column}" in find_unmarked_columns(models)
            model.columns[column]["personal"] = mark


def test_build_lists_the_marked_columns(golden: Settings, models: list[Model]) -> None:
    listed = rows(golden, "select table_name, column_name, data_type, is_published from gate.personal_columns")
    assert sorted(listed) == sorted(
        (f"{schema}.{name}", column, model.types[column], mark == "published")
        for model in models
        for _, schema, name in [model.table]
        if schema in ("core", "marts")
        for column, mark in model.marks().items()
    )


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
