"""Helpers for the tests of ingestion: load or stage a source, and query its raw file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.progress import ignore_progress
from data_stack.raw import query_raw
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.load import IngestReport, ingest
from dlt_pipeline.reader import SourceReader, open_reader
from dlt_pipeline.stage import Counts, Stage, open_stage


def load(
    settings: Settings,
    source_name: str,
    start: str = "2024-01-01",
    end: str = "2024-01-31",
    is_scheduled: bool = False,
) -> IngestReport:
    """Ingest a source for some days, as the step does."""
    window = Window(date.fromisoformat(start), date.fromisoformat(end))
    locks = Locks(settings, "test")
    source, ops = get_source(source_name), Ops(settings)
    return ingest(source, settings, ops, "test-run", window, ignore_progress, locks, is_scheduled)


@contextmanager
def stage_source(
    settings: Settings, source_name: str, start: str = "2024-01-01", end: str = "2024-01-31"
) -> Iterator[tuple[Stage, Counts]]:
    """Read, stage and check a source as `ingest` does, without dlt: much faster, for tests of what a reader reads.

    Yields:
        The staged tables, which have the names of the raw tables, and the counts of all files.
    """
    reader = open_reader(get_source(source_name), settings)
    window = Window(date.fromisoformat(start), date.fromisoformat(end))
    items = [planned.item for planned in reader.plan(window).to_fetch()]
    with open_stage(settings, source_name, reader.tables) as stage:
        reader.read(items, stage, ignore_progress)
        stage.drop_duplicates()
        reader.describe(items, stage)
        yield stage, stage.check()


def read_staged_rows(reader: SourceReader[Any], items: list[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Read items and stage their rows without dlt.

    Returns:
        The staged rows by table, in order, without the times of this load.
    """
    with open_stage(reader.settings, reader.name, reader.tables) as stage:
        reader.read(items, stage, ignore_progress)
        stage.drop_duplicates()
        reader.describe(items, stage)
        columns = {
            table.name: ", ".join(name for name in table.schema.names if name != "loaded_at_utc")
            for table in reader.tables
        }
        return {name: stage.query(f"select {listed} from {name} order by all") for name, listed in columns.items()}


def raw(settings: Settings, source_name: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a raw file."""
    return query_raw(settings, get_source(source_name), sql)


def column(settings: Settings, source_name: str, sql: str) -> list[Any]:
    """The first column of some rows of a raw file."""
    return [row[0] for row in raw(settings, source_name, sql)]
