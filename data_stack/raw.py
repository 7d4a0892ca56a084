"""Opening a raw file; the caller holds its lock, `Source.lock`: shared to read, exclusive to change."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.redaction import describe_error, describe_open_file
from data_stack.registry import Source
from data_stack.settings import Settings

_HAS_TABLES = "select 1 from duckdb_tables() where schema_name = 'raw' limit 1"
# answers with more rows are not kept
_KEPT_ROWS_MAX = 1000
# a file that was written a moment ago may be written again within the same tick of the clock that dates files
_SETTLED_NANOSECONDS = 100_000_000

_State = tuple[tuple[int, int, int], ...]
_Rows = list[tuple[Any, ...]]

_answers: dict[Path, tuple[_State, dict[str, _Rows]]] = {}


def has_tables(settings: Settings, source: Source) -> bool:
    """Whether the raw file of a source has its tables; a kill during the first load leaves a file without any."""
    return bool(query_raw(settings, source, _HAS_TABLES))


def query_raw(
    settings: Settings, source: Source, sql: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Query a raw file; a small answer is kept in this process until the file changes.

    The steps of a run ask the same several times, and each opening takes longer than a small answer.

    Args:
        settings: Whose data folder.
        source: The source.
        sql: A select on the schema `raw`.
        parameters: Values for the placeholders.

    Returns:
        The rows; none where the file does not exist, or has no tables yet.
    """
    raw_file = settings.raw_file(source.name)
    state, question = _read_state(raw_file), repr((sql, parameters))
    known_state, answers = _answers.get(raw_file, (None, {}))
    if known_state == state and question in answers:
        return list(answers[question])
    with read_raw(settings, source) as db:
        rows = db.execute(sql, parameters or []).fetchall() if db else []
    if (
        state
        and len(rows) <= _KEPT_ROWS_MAX
        and time.time_ns() - max(changed for *_, changed in state) > _SETTLED_NANOSECONDS
    ):
        kept = answers if known_state == state else {}
        _answers[raw_file] = (state, kept | {question: list(rows)})
    return rows


def _read_state(raw_file: Path) -> _State:
    """What changes with a raw file and with what is written beside it before it; empty if there is no file."""
    found = []
    for path in (raw_file, raw_file.with_name(f"{raw_file.name}.wal")):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


@contextmanager
def read_raw(settings: Settings, source: Source) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Open a raw file for several questions, as opening it takes longer than a small one.

    Args:
        settings: Whose data folder.
        source: The source.

    Yields:
        A connection that only reads; None where the file does not exist, or has no tables yet.
    """
    raw_file = settings.raw_file(source.name)
    if not raw_file.exists():
        yield None
        return
    with connect_duckdb(raw_file, read_only=True) as db:
        yield db if db.execute(_HAS_TABLES).fetchall() else None


@contextmanager
def change_raw(settings: Settings, source: Source) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a raw file for changes, as one transaction.

    Args:
        settings: Whose data folder, and the memory that the changes may use.
        source: The source; its raw file exists.

    Raises:
        TerminalError: Another process has the file open.
    """
    try:
        db = connect_duckdb(settings.raw_file(source.name), memory_limit=settings.duckdb_memory_limit)
    except duckdb.IOException as error:
        raise TerminalError(f"{source.name}: {describe_open_file(str(error)) or describe_error(error)}") from error
    with db:
        db.execute("begin")
        yield db
        db.execute("commit")
