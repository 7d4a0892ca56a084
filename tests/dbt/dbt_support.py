"""Shared by the tests of the dbt project: raw files of every source, builds, and comparisons of builds."""

from pathlib import Path
from typing import Any

import duckdb
from raw_builder import build_raw
from source_parts import find_parts

from data_stack.ops import Ops
from data_stack.registry import source_names
from data_stack.settings import Settings
from dbt_runner.build import TransformReport, _invoke_dbt, _prepare_build_file, transform


def make_empty_raw(settings: Settings) -> None:
    """Create the raw file of every source with empty tables, as ingestion without data does."""
    for name in source_names():
        build_raw(settings, name)


def load_golden(settings: Settings) -> None:
    """Write the golden rows of every source into its raw file, and let their loads pass."""
    make_empty_raw(settings)
    for golden in find_parts("golden").values():
        golden.load_golden(settings)


def build(settings: Settings, full_refresh: bool = False) -> TransformReport:
    """Run the transform step."""
    return transform(settings, Ops(settings), "test", full_refresh)


def run_models(settings: Settings, *arguments: str) -> None:
    """Build models without their tests, from the loads that have passed so far."""
    _prepare_build_file(settings, Ops(settings))
    kinds = ["--resource-type", "model", "--resource-type", "seed"]
    assert _invoke_dbt(settings, ["build", "--no-write-json", *kinds, *arguments]).success


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Read from the build file."""
    with duckdb.connect(str(settings.build_file), read_only=True) as db:
        return db.execute(sql).fetchall()


def built_tables(build_file: Path) -> list[str]:
    """Names of the tables of core and marts, with their schema."""
    with duckdb.connect(str(build_file), read_only=True) as db:
        found = db.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where schema_name in ('core', 'marts') order by 1"
        )
        return [name for (name,) in found.fetchall()]


def differences(one: Path, other: Path, without: str = "") -> dict[str, int]:
    """Number of rows that are in only one of two builds, by table; empty if the builds are equal.

    Args:
        one: A build file.
        other: Another one.
        without: A column to leave out, for example `load_id`, which differs between two raw files.
    """
    assert built_tables(one) == built_tables(other) != []
    with duckdb.connect() as db:
        db.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        counts = {table: _different_rows(db, table, without) for table in built_tables(one)}
    return {table: different for table, different in counts.items() if different}


def _different_rows(db: duckdb.DuckDBPyConnection, table: str, without: str) -> int:
    columns = f"columns(c -> c != '{without}')"
    found = db.execute(
        f"select count(*) from ((select {columns} from one.{table} except all select {columns} from other.{table})"
        f" union all (select {columns} from other.{table} except all select {columns} from one.{table}))"
    ).fetchone()
    assert found
    return int(found[0])
