"""What the published tables mean: published with the data, and described for each reader."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
import shapes
from published_file import write_published_file

from data_stack import registry
from data_stack.errors import NotFoundError, TerminalError
from data_stack.ops import new_id
from data_stack.publish import build_marker, rollback
from data_stack.settings import Settings
from data_stack.tables import TableDescription, TableInfo, describe_tables, keep_descriptions
from orchestration import steps


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published_file(tmp_path_factory.mktemp("described") / "warehouse.duckdb")


def by_name(tables: list[TableInfo]) -> Mapping[str, TableInfo]:
    return {table.name: table for table in tables}


def test_a_table_is_described_with_its_columns(file: Path) -> None:
    (mart,) = describe_tables(file, "analyst", "marts.mart_visits_daily")
    assert (mart.description, mart.rows) == ("Visits by day and site.", 180)
    assert [(column.name, column.type) for column in mart.columns] == [
        ("day_utc", "DATE"),
        ("site", "VARCHAR"),
        ("visits", "BIGINT"),
        ("guests", "BIGINT"),
        ("guests_mean", "DOUBLE"),
    ]
    assert [column.description for column in mart.columns if column.description] == ["Number of visits."]
    assert mart.upstream == ("core.fct_visits", "core.dim_days")


def test_a_reader_sees_only_what_it_may_read(file: Path) -> None:
    seen = {reader: by_name(describe_tables(file, reader)) for reader in ("analyst", "household", "owner")}
    assert set(seen["analyst"]) == {
        "core.dim_days",
        "core.fct_visits",
        "marts.mart_visits_daily",
        "ops.columns",
        "ops.loads",
        "ops.publication",
        "ops.publications",
        "ops.runs",
        "ops.tables",
    }
    assert seen["analyst"]["core.fct_visits"].downstream == ("marts.mart_visits_daily",)
    assert seen["owner"]["core.fct_visits"].downstream == ("marts.mart_visits_daily", "marts.mart_payments_monthly")
    assert [column.name for column in seen["household"]["core.fct_payments"].columns] == ["id", "paid_on", "category"]
    personal = [column.name for column in seen["owner"]["core.fct_payments"].columns if column.is_personal]
    assert personal == ["payee", "amount", "note"]
    assert "ops.semantic_manifest" in seen["owner"]


def test_an_unknown_table_names_near_ones(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no table fct_visits; did you mean core\.fct_visits"):
        describe_tables(file, "analyst", "fct_visits")
    with pytest.raises(NotFoundError, match=r"core\.fct_payments is of a personal source"):
        describe_tables(file, "analyst", "core.fct_payments")
    with pytest.raises(TerminalError, match="no published warehouse"):
        describe_tables(tmp_path / "none.duckdb", "analyst")


def publish_described(settings: Settings, text: str) -> str:
    """Publish a build in which the fact of visits is described with a text."""
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    settings.build_file.unlink(missing_ok=True)
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema core; create schema marts; create schema gate")
        db.execute(
            "create or replace table gate.personal_columns"
            " (table_name varchar, column_name varchar, data_type varchar, is_published boolean)"
        )
        for source in registry.SOURCES:
            db.execute(f"create table {source.fact} as select 1 as n, date '2024-01-31' as {source.day}")
    fact = registry.get_source("visits").fact
    keep_descriptions(
        settings, [TableDescription(fact, text, "one row per visit", ("visits",), (), False, {"n": "N'"})]
    )
    build_marker(settings).touch()
    return steps.publish(steps.Run.begin(settings, new_id(), "test"), unpin=True).publication_id


def test_descriptions_are_published_and_rolled_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes.register(monkeypatch, "visits")
    fact = registry.get_source("visits").fact
    first = publish_described(settings, "It's the first.")
    (found,) = describe_tables(settings.warehouse_file, "analyst", fact)
    assert (found.description, found.grain, found.rows) == ("It's the first.", "one row per visit", 1)
    assert found.columns[0].description == "N'"
    (freshness,) = found.freshness
    assert (freshness.source_name, str(freshness.data_through)) == ("visits", "2024-01-31")
    publish_described(settings, "The second.")
    assert describe_tables(settings.warehouse_file, "analyst", fact)[0].description == "The second."
    run = steps.Run.begin(settings, new_id(), "test")
    assert rollback(settings, run.ops, run.locks, None, "test") == first
    assert describe_tables(settings.warehouse_file, "analyst", fact)[0].description == "It's the first."
