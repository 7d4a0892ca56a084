"""Short words for the tests of ingestion: load a source, look into its raw file."""

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


def load(settings: Settings, source: str, start: str = "2024-01-01", end: str = "2024-01-31") -> IngestReport:
    """Ingest a source for some days, as the step does."""
    window = Window(date.fromisoformat(start), date.fromisoformat(end))
    locks = Locks(settings.locks_dir, "test")
    return ingest(get_source(source), settings, Ops(settings.ops_dir), "test-run", window, ignore_progress, locks)


def raw(settings: Settings, source: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a raw file."""
    return query_raw(settings, get_source(source), sql)


def column(settings: Settings, source: str, sql: str) -> list[Any]:
    """The first column of some rows of a raw file."""
    return [row[0] for row in raw(settings, source, sql)]
