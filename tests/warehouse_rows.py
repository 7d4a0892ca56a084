"""Rows of the published warehouse, for tests of what a run has published."""

from typing import Any

from data_stack.registry import SOURCES
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse


def query_warehouse(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a select on the published warehouse."""
    with open_warehouse(settings.warehouse_file) as db:
        return db.execute(sql).fetchall()


def count_rows(settings: Settings) -> dict[str, int]:
    """Published rows of each source's fact, by source."""
    return {source.name: query_warehouse(settings, f"select count(*) from {source.fact}")[0][0] for source in SOURCES}
