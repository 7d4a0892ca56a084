"""Short words for the tests of ingestion: load a source, look into its raw file."""

from datetime import date
from typing import Any

from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.raw import raw_query
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.load import IngestReport, ingest


def load(settings: Settings, source: str, start: str = "2024-01-01", end: str = "2024-01-31") -> IngestReport:
    """Ingest a source for some days, as the step does."""
    window = Window(date.fromisoformat(start), date.fromisoformat(end))
    locks = Locks(settings.locks_dir, "test")
    return ingest(source, settings, Ops(settings.ops_dir), "test-run", window, lambda *_: None, locks)


def raw(settings: Settings, source: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a raw file."""
    return raw_query(settings, source, sql)


def column(settings: Settings, source: str, sql: str) -> list[Any]:
    """The first column of some rows of a raw file."""
    return [row[0] for row in raw(settings, source, sql)]
