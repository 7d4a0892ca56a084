"""The door itself: starts the process that answers, waits for it, and kills it when it is late."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from types import TracebackType
from typing import IO, Any, Self, cast

from pydantic import BaseModel, ConfigDict

from data_stack.errors import QueryRefusedError, TerminalError
from data_stack.sql_door.access import Reader

STATEMENT_MAX = 20_000
"""Characters of a statement."""
ROWS_MAX = 10_000
"""Rows of an answer at most."""

_START_SECONDS = 60
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_", "TZ", "PYTHON", "LD_LIBRARY_PATH", "COVERAGE_PROCESS")


@dataclass(frozen=True)
class Limits:
    """What one statement may use.

    Attributes:
        seconds: Until the process that answers is killed.
        memory: What DuckDB may use, as it writes it.
        address_space: Bytes that the process may map, as DuckDB does not count everything that it uses; None: any.
        threads: Threads of DuckDB; None: one per core.
        answer_size: Bytes of an answer.
    """

    seconds: float = 10
    memory: str = "512MB"
    address_space: int | None = 3_000_000_000
    threads: int | None = 2
    answer_size: int = 4_000_000


class QueryColumn(BaseModel):
    """A column of an answer.

    Attributes:
        name: As in the statement.
        type: Of DuckDB.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str


class QueryResult(BaseModel):
    """The answer to a statement.

    Attributes:
        columns: In the order of the values of a row.
        rows: Values of JSON: dates and times are ISO texts, decimals are numbers.
        publication_id: Of the file that was asked.
        notes: Sentences a reader has to know, such as that rows were cut.
    """

    model_config = ConfigDict(frozen=True)

    columns: tuple[QueryColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    publication_id: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DrawnTable:
    """An answer for a terminal.

    Attributes:
        text: The table, drawn.
        personal_columns: Personal columns by table that the statement reads, `schema.table`.
    """

    text: str
    personal_columns: dict[str, list[str]]


class SqlDoor:
    """Answers selects on the published file, for one reader; keeps its processes for the next call.

    Safe to use from several threads. Use it in a `with` block, or close it.

    Args:
        warehouse: `Settings.warehouse_file`.
        reader: Who asks.
        limits: What one statement may use.
        workers: Statements at once; further ones wait.
    """

    def __init__(self, warehouse: Path, reader: Reader, limits: Limits = Limits(), workers: int = 2) -> None:
        self.warehouse, self.reader, self.limits = warehouse, reader, limits
        self._free = BoundedSemaphore(workers)
        self._idle: LifoQueue[_Worker] = LifoQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that wait for the next call."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait().kill()

    def query(self, sql: str, rows: int = 1000) -> QueryResult:
        """Rows of a select, as values.

        Args:
            sql: One select on `core`, `marts` or `ops`.
            rows: Rows at most, up to `ROWS_MAX`.

        Raises:
            QueryRefusedError: It is not allowed, not understood, too slow or too large; says why.
            TerminalError: There is no publication, or an earlier version made it.
        """
        limit = min(rows, ROWS_MAX)
        answer = self._ask({"sql": sql, "rows": limit, "size": self.limits.answer_size})
        note = f"only the first {limit:,} rows; the statement has more"
        return QueryResult(
            **_take(answer, "columns", "rows", "publication_id"), notes=(note,) if answer["is_cut"] else ()
        )

    def draw(self, sql: str, rows: int, width: int) -> DrawnTable:
        """Rows of a select as DuckDB draws them for a terminal.

        Args:
            sql: One select on `core`, `marts` or `ops`.
            rows: Rows to draw.
            width: Characters of a line.

        Raises:
            QueryRefusedError: It is not allowed, not understood, too slow or too large; says why.
            TerminalError: There is no publication, or an earlier version made it.
        """
        answer = self._ask({"sql": sql, "rows": rows, "width": width})
        return DrawnTable(answer["text"], answer["tables"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        if len(question["sql"]) > STATEMENT_MAX:
            raise QueryRefusedError(f"the statement is longer than {STATEMENT_MAX:,} characters")
        with self._free, self._take_worker() as worker:
            answer = worker.ask({**question, "seconds": self.limits.seconds})
        if "error" in answer:
            raise (TerminalError if answer["kind"] == "TerminalError" else QueryRefusedError)(answer["error"])
        return answer

    @contextmanager
    def _take_worker(self) -> Iterator["_Worker"]:
        """A process for one call; it is killed unless the call ends well."""
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = _Worker(self.warehouse, self.reader, self.limits)
        try:
            yield worker
        except BaseException:
            worker.kill()
            raise
        self._idle.put(worker)


def _take(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: answer[name] for name in names}


def _choose_environment() -> dict[str, str]:
    """What a process that answers needs of the environment: nothing that holds a key or a token."""
    chosen = {name: value for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)}
    # every thread's arena would count as address space
    return chosen | {"MALLOC_ARENA_MAX": "2"}


class _Worker:
    """One process that answers; see `worker.py`."""

    def __init__(self, warehouse: Path, reader: Reader, limits: Limits) -> None:
        self._limits = limits
        begin = {
            "path": str(warehouse),
            "reader": reader,
            "limits": {"memory_limit": limits.memory} | ({"threads": limits.threads} if limits.threads else {}),
            "address_space": limits.address_space,
        }
        # -P: no module of the folder in which the caller happens to be
        command = [sys.executable, "-P", "-m", "data_stack.sql_door.worker", json.dumps(begin)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, without a shell
            command,
            env=_choose_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # without a terminal's Ctrl-C, which is for the caller
            start_new_session=True,
        )
        self._input, self._output = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._is_ready = False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a question and wait for its answer.

        Raises:
            QueryRefusedError: It took too long, or the process died of it.
        """
        if not self._is_ready:
            # the imports, which take long on a busy machine, are not the statement's
            self._read_line(_START_SECONDS)
            self._is_ready = True
        with suppress(BrokenPipeError):
            self._input.write(json.dumps(question).encode() + b"\n")
            self._input.flush()
        return dict(json.loads(self._read_line(self._limits.seconds)))

    def _read_line(self, seconds: float) -> bytes:
        waiting, parts = select.poll(), list[bytes]()
        waiting.register(self._output, select.POLLIN)
        until = time.monotonic() + seconds
        while not parts or not parts[-1].endswith(b"\n"):
            if not waiting.poll(max(until - time.monotonic(), 0) * 1000):
                raise QueryRefusedError(f"the statement took longer than {seconds:g} s and was stopped; add a filter")
            part = os.read(self._output.fileno(), 1 << 16)
            if not part:
                raise QueryRefusedError("the statement used more than it may and was stopped; ask for less")
            parts.append(part)
        return b"".join(parts)

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._input, self._output):
            with suppress(BrokenPipeError):
                pipe.close()
