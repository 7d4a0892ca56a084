"""The `ops` store: runs, steps, loads and their gate state, validation and dbt results, publications.

SQLite in WAL mode, so that any process may write it while others read. It holds counts, keys and words,
never row contents.
"""

import getpass
import json
import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_stack.errors import DataStackError, UsageError

SCHEMA = """
create table if not exists runs (
    run_id text primary key, command text not null, sources text not null, window_start text, window_end text,
    status text not null, started_at_utc text not null, finished_at_utc text, host text not null, pid integer not null,
    error text
);
create table if not exists steps (
    run_id text not null, step text not null, source text, status text not null, started_at_utc text not null,
    seconds real, rows integer, detail text
);
create table if not exists loads (
    source text not null, load_id text not null, run_id text not null,
    loaded_at_utc text not null,
    rows_read integer not null, rows_loaded integer not null,
    rows_rejected integer not null, rows_repeated integer not null,
    state text not null check (state in ('pending', 'passed', 'failed', 'accepted', 'superseded')),
    decided_at_utc text, reason text, decided_by text, primary key (source, load_id)
);
create table if not exists validations (
    run_id text not null, source text not null, load_id text not null, expectation text not null, column_name text,
    severity text not null, success integer not null, checked integer, unexpected integer, example_keys text not null,
    observed text, reason text not null, evaluated_at_utc text not null
);
create table if not exists dbt_results (
    run_id text not null, node text not null, resource_type text not null, status text not null, seconds real not null,
    failures integer, message text, finished_at_utc text not null
);
create table if not exists publications (
    publication_id text primary key, run_id text not null, published_at_utc text not null, tables text not null,
    sources text not null
);
create table if not exists current_publication (
    one integer primary key check (one = 1), publication_id text not null, pinned_at_utc text, pin_reason text
);
create index if not exists steps_by_run on steps (run_id);
create index if not exists validations_by_load on validations (source, load_id);
create index if not exists dbt_results_by_run on dbt_results (run_id);
"""

FILE = "ops.sqlite"
TABLES = ("runs", "steps", "loads", "validations", "dbt_results", "publications")
UNDECIDED = ("pending", "failed")
RESET = "the source was reset"
INTERRUPTED = "the process ended without a word (killed?)"
SEVERAL_PROCESSES = 0  # pid of a run whose steps are processes of their own, as in Airflow


def utc_now() -> str:
    """The time now, UTC, as text that sorts."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def new_id() -> str:
    """An identifier that sorts by time, to the millisecond: `20240131T120000123-1f2e`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3] + f"-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class LoadRecord:
    """What one dlt load brought: rows in = loaded + rejected + repeated."""

    source: str
    load_id: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_repeated: int


@dataclass(frozen=True)
class ExpectationRecord:
    """The outcome of one expectation on one load; keys and counts only."""

    expectation: str
    column: str | None
    severity: str
    success: bool
    checked: int | None
    unexpected: int | None
    example_keys: list[str]
    observed: str | None
    reason: str


@dataclass
class StepRecord:
    """Filled in by the step while it runs: rows and a sentence for people."""

    rows: int | None = None
    detail: str | None = None
    seconds: float = field(default=0.0)


class Ops:
    """The store of one data folder; created on first use.

    Args:
        folder: `DATA_DIR/ops`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        # the pages in containers have the data folder as a read-only mount
        self._is_writable = os.access(folder, os.W_OK)
        if self._is_writable:
            with self._connect() as db:
                db.executescript(SCHEMA)

    @classmethod
    def existing(cls, folder: Path) -> "Ops | None":
        """The store if there is one: whoever only reads must not create a data folder."""
        return cls(folder) if (folder / FILE).exists() else None

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._address(), uri=True, timeout=30, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            if self._is_writable:
                db.execute("pragma journal_mode = wal")
            yield db

    def _address(self) -> str:
        address = self.path.absolute().as_uri()
        if self._is_writable:
            return address
        # SQLite would make the log that it reads through, and cannot; where no writer has one, there is nothing in it
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        return f"{address}?{'mode=ro' if has_log else 'immutable=1'}"

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Read rows.

        Args:
            sql: A select on the tables of `SCHEMA`.
            parameters: Values for the placeholders.
        """
        with self._connect() as db:
            return [dict(row) for row in db.execute(sql, parameters)]

    def columns(self, table: str) -> dict[str, str]:
        """Columns of one of `TABLES` with their types, as SQL knows them."""
        kinds = {"text": "varchar", "integer": "bigint", "real": "double"}
        columns = {row["name"]: kinds[row["type"].lower()] for row in self.query(f"pragma table_info({table})")}
        return {name: "timestamp" if name.endswith("_utc") else kind for name, kind in columns.items()}

    def _write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._connect() as db:
            db.execute("begin immediate")
            db.executemany(sql, rows)
            db.execute("commit")

    # -- runs and steps ---------------------------------------------------------------------------------------------

    @contextmanager
    def run(
        self, command: str, sources: Sequence[str], window: tuple[str, str] | None = None, run_id: str | None = None
    ) -> Iterator[str]:
        """Record a run around the block; a failure is recorded and raised again.

        Args:
            command: What the user started, for example `run`.
            sources: Names of the sources it handles.
            window: First and last day, as text.
            run_id: An identifier to use, for example of an Airflow run; a new one without it.

        Yields:
            The run's identifier.
        """
        run_id = run_id or new_id()
        self.begin_run(run_id, command, sources, window, os.getpid())
        try:
            yield run_id
        except BaseException as error:
            self.end_run(run_id, "failed", explain(error))
            raise
        self.end_run(run_id, "succeeded")

    def begin_run(
        self,
        run_id: str,
        command: str,
        sources: Sequence[str],
        window: tuple[str, str] | None = None,
        pid: int = SEVERAL_PROCESSES,
    ) -> None:
        """Record a run that somebody else carries from process to process; `end_run` says how it ended.

        Args:
            run_id: Its identifier; one that is known begins again.
            command: What started it.
            sources: Names of the sources it handles.
            window: First and last day, as text.
            pid: The process that ends the run by ending, if there is one.
        """
        start, end = window or (None, None)
        self._write(
            "insert or replace into runs"
            " (run_id, command, sources, window_start, window_end, status, started_at_utc, host, pid)"
            " values (?, ?, ?, ?, ?, 'running', ?, ?, ?)",
            [(run_id, command, ",".join(sources), start, end, utc_now(), socket.gethostname(), pid)],
        )

    def end_run(self, run_id: str, status: str, error: str | None = None) -> None:
        """Record how a run ended.

        Args:
            run_id: The run.
            status: `succeeded`, `failed` or `interrupted`.
            error: Why, in words.
        """
        self._write(
            "update runs set status = ?, finished_at_utc = ?, error = ? where run_id = ?",
            [(status, utc_now(), error, run_id)],
        )

    def mark_interrupted_runs(self) -> None:
        """Runs of this host that are recorded as running but whose process is gone were killed: say so."""
        for row in self.query("select * from runs where status = 'running'"):
            if _was_interrupted(row):
                self.end_run(row["run_id"], "interrupted", INTERRUPTED)

    def last_runs(self, limit: int) -> list[dict[str, Any]]:
        """Runs, the latest first, for whoever only reads: a killed one is shown as interrupted, not marked so."""
        rows = self.query("select * from runs order by started_at_utc desc, rowid desc limit ?", [limit])
        return [row | {"status": "interrupted", "error": INTERRUPTED} if _was_interrupted(row) else row for row in rows]

    @contextmanager
    def step(self, run_id: str, step: str, source: str | None = None) -> Iterator[StepRecord]:
        """Record a step around the block, with its seconds; a failure is recorded and raised again.

        Args:
            run_id: The run it belongs to.
            step: For example `ingest`, `validate`, `transform`, `publish`.
            source: Name of the source, where the step handles one.
        """
        record, started_at, began = StepRecord(), utc_now(), time.perf_counter()
        status = "failed"
        try:
            yield record
            status = "succeeded"
        except BaseException as error:
            record.detail = explain(error)
            raise
        finally:
            record.seconds = round(time.perf_counter() - began, 3)
            self._write(
                "insert into steps values (?, ?, ?, ?, ?, ?, ?, ?)",
                [(run_id, step, source, status, started_at, record.seconds, record.rows, record.detail)],
            )

    # -- loads and their gate ---------------------------------------------------------------------------------------

    def record_load(self, run_id: str, load: LoadRecord) -> None:
        """Record a finished load; it is pending until its suite passes."""
        values = (load.source, load.load_id, run_id, utc_now(), load.rows_read, load.rows_loaded)
        self._write(
            "insert into loads (source, load_id, run_id, loaded_at_utc, rows_read, rows_loaded, rows_rejected,"
            " rows_repeated, state) values (?, ?, ?, ?, ?, ?, ?, ?, 'pending') on conflict do nothing",
            [(*values, load.rows_rejected, load.rows_repeated)],
        )

    def know_load(self, source: str, load_id: str) -> None:
        """Record a load of the raw file as pending, if nobody recorded it: a kill in between, a lost store."""
        self.record_load("unknown", LoadRecord(source, load_id, 0, 0, 0, 0))

    def decided_loads(self, source: str) -> set[str]:
        """Identifiers of the loads of `source` that staging may read: passed or accepted."""
        rows = self.query("select load_id from loads where source = ? and state in ('passed', 'accepted')", [source])
        return {row["load_id"] for row in rows}

    def decide_load(self, source: str, load_id: str, state: str, reason: str | None = None, by: str = "gate") -> None:
        """Set the gate state of a load.

        Args:
            source: Its source.
            load_id: dlt's load identifier.
            state: `passed`, `failed`, `accepted` or `superseded`.
            reason: Why, in words; required by `accept`.
            by: Who decided: `gate` or a user name.
        """
        now = utc_now()
        self._write(
            "insert into loads values (?, ?, 'unknown', ?, 0, 0, 0, 0, ?, ?, ?, ?)"
            " on conflict (source, load_id) do update set state = excluded.state, reason = excluded.reason,"
            " decided_at_utc = excluded.decided_at_utc, decided_by = excluded.decided_by",
            [(source, load_id, now, state, now, reason, by)],
        )

    def accept_load(self, load_id: str, reason: str) -> str:
        """Let a load through although its suite failed; stays on record.

        Returns:
            The name of its source.

        Raises:
            UsageError: There is no such load, or it needs no acceptance.
        """
        rows = self.query("select source, state from loads where load_id = ?", [load_id])
        if not rows:
            raise UsageError(f"there is no load {load_id!r}; `data-stack status` lists pending and failed loads")
        if rows[0]["state"] not in UNDECIDED:
            raise UsageError(
                f"load {load_id} is already {rows[0]['state']}; only pending and failed loads are accepted"
            )
        self.decide_load(rows[0]["source"], load_id, "accepted", reason, getpass.getuser())
        return str(rows[0]["source"])

    def forget_loads(self, source: str) -> None:
        """Mark every load of `source` as superseded, because its raw file was reset."""
        self._write("update loads set state = 'superseded', reason = ? where source = ?", [(RESET, source)])

    def was_reset(self, source: str) -> bool:
        """Whether the last word on the loads of `source` was a reset."""
        rows = self.query("select reason from loads where source = ? order by loaded_at_utc desc limit 1", [source])
        return bool(rows) and rows[0]["reason"] == RESET

    def record_validations(self, run_id: str, source: str, load_id: str, outcomes: Iterable[ExpectationRecord]) -> None:
        """Record the outcome of every expectation of one load."""
        now = utc_now()
        self._write(
            f"insert into validations values ({', '.join('?' * 13)})",
            [
                (run_id, source, load_id, o.expectation, o.column, o.severity, o.success, o.checked, o.unexpected,
                 json.dumps(o.example_keys), o.observed, o.reason, now)
                for o in outcomes
            ],
        )  # fmt: skip

    def record_dbt_results(self, run_id: str, rows: Iterable[Sequence[Any]]) -> None:
        """Record dbt's nodes: (node, resource type, status, seconds, failures, message) each."""
        now = utc_now()
        self._write("insert into dbt_results values (?, ?, ?, ?, ?, ?, ?, ?)", [(run_id, *row, now) for row in rows])

    # -- publications -----------------------------------------------------------------------------------------------

    def record_publication(
        self, run_id: str, publication_id: str, tables: dict[str, int], sources: dict[str, dict[str, Any]]
    ) -> None:
        """Record a publication as the current one; whatever was pinned no longer is.

        Args:
            run_id: The run that published.
            publication_id: Its identifier.
            tables: Rows by table.
            sources: By source: rows, data_through, origin.
        """
        self._write(
            "insert into publications values (?, ?, ?, ?, ?)",
            [(publication_id, run_id, utc_now(), json.dumps(tables), json.dumps(sources))],
        )
        self.set_current(publication_id)

    def set_current(self, publication_id: str, pin_reason: str | None = None) -> None:
        """Say which publication readers see; with a reason it is pinned."""
        pinned_at = utc_now() if pin_reason else None
        self._write(
            "insert or replace into current_publication values (1, ?, ?, ?)", [(publication_id, pinned_at, pin_reason)]
        )

    def current_publication(self) -> dict[str, Any] | None:
        """The publication that readers see, with `tables` and `sources` as dictionaries, or None."""
        rows = self.query(
            "select publications.*, pinned_at_utc, pin_reason from current_publication"
            " join publications using (publication_id)"
        )
        if not rows:
            return None
        return rows[0] | {name: json.loads(rows[0][name]) for name in ("tables", "sources")}


def _was_interrupted(run: dict[str, Any]) -> bool:
    return run["status"] == "running" and run["host"] == socket.gethostname() and not _is_alive(run["pid"])


def _is_alive(pid: int) -> bool:
    if pid == SEVERAL_PROCESSES:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def explain(error: BaseException) -> str:
    """Words for the record: our own messages whole, of anything else only the type, which carries no row content."""
    return str(error) if isinstance(error, DataStackError) else f"unexpected {type(error).__name__}"
