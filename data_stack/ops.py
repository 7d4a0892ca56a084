"""The `ops` store: runs, steps, loads and their gate state, validation and dbt results, publications.

In SQLite or PostgreSQL (`record_store.py`), so that any process may write it while others read. It contains counts,
keys and messages, never row contents.
"""

import getpass
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from data_stack.errors import UsageError
from data_stack.ops_schema import require_schema
from data_stack.record_store import RecordStore, Session, open_store
from data_stack.redaction import describe_error
from data_stack.settings import Settings
from data_stack.window import Window

TABLES = ("runs", "steps", "loads", "validations", "dbt_results", "publications")
"""Tables that are copied into the published file."""
INTERRUPTED = "the process exited unexpectedly (possibly killed)"
SEVERAL_PROCESSES = 0
"""The pid of a run whose steps are processes of their own, as in Airflow."""

_RESET = "the source was reset"


class LoadState(StrEnum):
    """What the gate, or a person, has decided about a load."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"


PASSED_STATES = (LoadState.PASSED, LoadState.ACCEPTED)
"""States of loads that staging reads."""
OPEN_STATES = (LoadState.PENDING, LoadState.FAILED)
"""States of loads that have not passed their gate."""

LAST_GOOD_LOADS = f"""
select source, max(loaded_at_utc) as loaded_at_utc
from {{loads}}
where state in ('{"', '".join(PASSED_STATES)}') and rows_loaded > 0
group by source
"""
"""When each source last brought rows that passed; for the store, and for its copy in the published file."""


def utc_now(shift: timedelta = timedelta()) -> str:
    """The present time, UTC, as text that sorts.

    Args:
        shift: Added to it.
    """
    return (datetime.now(UTC) + shift).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def new_id() -> str:
    """A new identifier, which begins with the time to the millisecond: `20240131T120000123-1f2e`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3] + f"-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class LoadRecord:
    """What one dlt load brought: rows read = loaded + rejected + repeated."""

    source_name: str
    load_id: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_repeated: int


@dataclass(frozen=True)
class ExpectationRecord:
    """The outcome of one expectation on one load: keys and counts only."""

    expectation: str
    column: str | None
    severity: str
    success: bool
    checked: int | None
    unexpected: int | None
    example_keys: list[str]
    observed: str | None
    reason: str


@dataclass(frozen=True)
class NodeRecord:
    """The outcome of one node of a dbt build.

    Attributes:
        node: Its name.
        resource_type: `model`, `test`, `unit_test` or another kind.
        status: dbt's status.
        seconds: How long it took.
        failures: Rows that break a test; None for other nodes.
        message: Why it did not succeed, without row contents.
    """

    node: str
    resource_type: str
    status: str
    seconds: float
    failures: int | None
    message: str | None


@dataclass(frozen=True)
class TokenRecord:
    """A token of the API.

    Attributes:
        token_id: The part of the token that is no secret.
        name: What it is for.
        role: What it may do.
        secret_sha256: Of the part that is secret, which is stored nowhere.
        created_at_utc: When it was made.
        expires_at_utc: When it stops being valid.
        revoked_at_utc: When it was revoked; None if it was not.
    """

    token_id: str
    name: str
    role: str
    secret_sha256: str
    created_at_utc: str
    expires_at_utc: str
    revoked_at_utc: str | None = None


@dataclass(frozen=True)
class CallRecord:
    """One call of the API, whatever its answer; of a question only its hash and length.

    Attributes:
        called_at_utc: When it came in.
        request_id: As in the logs and in the answer.
        token_id: None for a call without a valid token.
        role: That of the token.
        method: Of HTTP.
        path: As the API describes it, such as `/runs/{run_id}`; empty for a path that does not exist.
        status: Of HTTP.
        milliseconds: Until the end of the answer.
        question_sha256: Of a prompt to an agent.
        question_length: Its characters.
        model: That the agent asked.
        input_tokens: Of the model.
        output_tokens: Of the model.
        cost_usd: Where the price of the model is known.
    """

    called_at_utc: str
    request_id: str
    token_id: str | None
    role: str | None
    method: str
    path: str
    status: int
    milliseconds: float
    question_sha256: str | None = None
    question_length: int | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass
class StepRecord:
    """Filled in by the step while it runs: rows, and a sentence for people."""

    rows: int | None = None
    detail: str | None = None


class Ops:
    """The store of one platform; created, and migrated to the present schema, on first use.

    Args:
        settings: `OPS_URL`, or the data folder.

    Raises:
        TerminalError: The store has a schema that cannot be used here.
    """

    def __init__(self, settings: Settings) -> None:
        self.store: RecordStore = open_store(settings)
        self.store.prepare()
        require_schema(self.store)

    @classmethod
    def existing(cls, settings: Settings) -> "Ops | None":
        """The store if there is one; a reader must not create a data folder."""
        return cls(settings) if open_store(settings).exists() else None

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Read rows.

        Args:
            sql: A select on the tables of the store, in SQL that SQLite and PostgreSQL know.
            parameters: Values for the placeholders `?`.
        """
        with self.store.open() as session:
            return session.execute(sql, parameters)

    def columns(self, table: str) -> dict[str, str]:
        """Columns of one of `TABLES` with their DuckDB types."""
        kinds = {"text": "varchar", "integer": "bigint", "real": "double"}
        columns = {name: kinds[kind] for name, kind in self.store.read_types(table).items()}
        return {name: "timestamp" if name.endswith("_utc") else kind for name, kind in columns.items()}

    def _transaction(self) -> AbstractContextManager[Session]:
        return self.store.transaction()

    def _insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        with self._transaction() as db:
            for row in rows:
                _insert_row(db, table, row)

    @contextmanager
    def run(
        self,
        command: str,
        source_names: Sequence[str],
        window: tuple[str, str] | None = None,
        run_id: str | None = None,
    ) -> Iterator[str]:
        """Record a run around the block; a failure is recorded and raised again.

        Args:
            command: What the user started, for example `run`.
            source_names: The sources that it handles.
            window: First and last day, as text.
            run_id: An identifier to use, for example of an Airflow run; without it a new one.

        Yields:
            The run's identifier.
        """
        run_id = run_id or new_id()
        self.begin_run(run_id, command, source_names, window, os.getpid())
        try:
            yield run_id
        except BaseException as error:
            self.end_run(run_id, "failed", describe_error(error))
            raise
        self.end_run(run_id, "succeeded")

    def begin_run(
        self,
        run_id: str,
        command: str,
        source_names: Sequence[str],
        window: tuple[str, str] | None = None,
        pid: int = SEVERAL_PROCESSES,
    ) -> None:
        """Record the beginning of a run that several processes carry out; `end_run` records how it ended.

        Args:
            run_id: Its identifier; a run that is recorded already begins again.
            command: What started it.
            source_names: The sources that it handles.
            window: First and last day, as text.
            pid: The process whose end is the end of the run, if there is one.
        """
        start, end = window or (None, None)
        row = {
            "run_id": run_id,
            "command": command,
            "sources": ",".join(source_names),
            "window_start": start,
            "window_end": end,
            "status": "running",
            "started_at_utc": utc_now(),
            "host": socket.gethostname(),
            "pid": pid,
        }
        with self._transaction() as db:
            db.execute("delete from runs where run_id = ?", [run_id])
            _insert_row(db, "runs", row)

    def end_run(self, run_id: str, status: str, error: str | None = None) -> None:
        """Record how a run ended.

        Args:
            run_id: The run.
            status: `succeeded`, `failed` or `interrupted`.
            error: Why it failed.
        """
        with self._transaction() as db:
            db.execute(
                "update runs set status = ?, finished_at_utc = ?, error = ? where run_id = ?",
                [status, utc_now(), error, run_id],
            )

    def mark_interrupted_runs(self) -> None:
        """Mark the runs that are recorded as running, and whose process on this host is gone, as interrupted."""
        for row in self.query("select * from runs where status = 'running'"):
            if _is_interrupted(row):
                self.end_run(row["run_id"], "interrupted", INTERRUPTED)

    def last_runs(self, limit: int) -> list[dict[str, Any]]:
        """The last runs, the latest first; a killed run is returned as interrupted, but not marked."""
        return self.find_runs(limit)

    def find_runs(self, limit: int, status: str = "", command: str = "", before: str = "") -> list[dict[str, Any]]:
        """Runs, the latest first; a killed run is returned as interrupted, but not marked.

        Args:
            limit: At most so many.
            status: Only runs with this status; empty for all.
            command: Only runs of this command; empty for all.
            before: Only runs that began before the run of this identifier; empty for all.
        """
        rows = self.query(
            "select * from runs where ? in ('', command)"
            " and (? = '' or rowid < (select rowid from runs where run_id = ?)) order by rowid desc limit ?",
            # the status is known only after looking at the processes
            [command, before, before, sys.maxsize if status else limit],
        )
        found = map(_mark_interrupted, rows)
        return list(islice((row for row in found if status in ("", row["status"])), limit))

    def find_run(self, run_id: str) -> dict[str, Any] | None:
        """A run; None if there is none of this identifier. A killed run is returned as interrupted, but not marked."""
        rows = self.query("select * from runs where run_id = ?", [run_id])
        return _mark_interrupted(rows[0]) if rows else None

    @contextmanager
    def step(self, run_id: str, step: str, source_name: str | None = None) -> Iterator[StepRecord]:
        """Record a step around the block, with its seconds; a failure is recorded and raised again.

        Args:
            run_id: The run that it belongs to.
            step: For example `ingest`, `validate`, `transform`, `publish`.
            source_name: The source, where the step handles one.
        """
        record, started_at, began = StepRecord(), utc_now(), time.perf_counter()
        status = "failed"
        try:
            yield record
            status = "succeeded"
        except BaseException as error:
            record.detail = describe_error(error)
            raise
        finally:
            row = {
                "run_id": run_id,
                "step": step,
                "source": source_name,
                "status": status,
                "started_at_utc": started_at,
                "seconds": round(time.perf_counter() - began, 3),
                "rows": record.rows,
                "detail": record.detail,
            }
            self._insert("steps", [row])

    def record_load(self, run_id: str, load: LoadRecord) -> None:
        """Record a finished load, unless it is recorded already; it is pending until its suite passes."""
        with self._transaction() as db:
            _insert_row(db, "loads", _pending_row(run_id, load), "on conflict do nothing")

    def record_unknown_load(self, source_name: str, load_id: str) -> None:
        """Record a load of the raw file as pending if it is not recorded, after a kill or with a lost store."""
        self.record_load("unknown", LoadRecord(source_name, load_id, 0, 0, 0, 0))

    def passed_loads(self, source_name: str) -> set[str]:
        """Identifiers of the loads of a source that staging may read: passed or accepted."""
        return {row["load_id"] for row in self._loads_in(PASSED_STATES, source_name)}

    def open_loads(self, source_name: str = "") -> list[dict[str, Any]]:
        """Loads that are recorded as pending or failed, the oldest first; of every source without a name."""
        return self._loads_in(OPEN_STATES, source_name)

    def failed_loads(self, source_name: str) -> list[str]:
        """Identifiers of the loads of a source that failed their gate."""
        return [row["load_id"] for row in self._loads_in((LoadState.FAILED,), source_name)]

    def accepted_loads(self, source_name: str = "") -> list[dict[str, Any]]:
        """Loads that were accepted manually, the oldest first; of every source without a name."""
        return self._loads_in((LoadState.ACCEPTED,), source_name)

    def _loads_in(self, states: Sequence[LoadState], source_name: str) -> list[dict[str, Any]]:
        marks = ", ".join("?" * len(states))
        return self.query(
            f"select * from loads where state in ({marks}) and ? in ('', source) order by rowid", [*states, source_name]
        )

    def last_good_loads(self) -> dict[str, str]:
        """By source, when it last brought rows that passed or were accepted, UTC."""
        rows = self.query(LAST_GOOD_LOADS.format(loads="loads"))
        return {row["source"]: row["loaded_at_utc"] for row in rows}

    def decide_load(
        self, source_name: str, load_id: str, state: LoadState, reason: str | None = None, by: str = "gate"
    ) -> None:
        """Set the gate state of a load.

        Args:
            source_name: Its source.
            load_id: dlt's load identifier.
            state: Any but pending.
            reason: Why; required when a load is accepted.
            by: Who decided: `gate` or a user name.
        """
        with self._transaction() as db:
            row = _pending_row("unknown", LoadRecord(source_name, load_id, 0, 0, 0, 0))
            _insert_row(db, "loads", row, "on conflict do nothing")
            db.execute(
                "update loads set state = ?, reason = ?, decided_at_utc = ?, decided_by = ?"
                " where source = ? and load_id = ?",
                [state, reason, utc_now(), by, source_name, load_id],
            )

    def accept_load(self, load_id: str, reason: str) -> str:
        """Accept a load although its suite failed; the decision stays on record.

        Returns:
            The name of its source.

        Raises:
            UsageError: There is no such load, or it needs no acceptance.
        """
        rows = self.query("select source, state from loads where load_id = ?", [load_id])
        if not rows:
            raise UsageError(f"there is no load {load_id!r}; `data-stack status` lists pending and failed loads")
        source_name, state = str(rows[0]["source"]), rows[0]["state"]
        if state not in OPEN_STATES:
            raise UsageError(f"load {load_id} is already {state}; only pending and failed loads are accepted")
        self.decide_load(source_name, load_id, LoadState.ACCEPTED, reason, getpass.getuser())
        return source_name

    def supersede_loads(self, source_name: str) -> None:
        """Mark every load of a source as superseded, because its raw file was reset; nothing is awaited any more."""
        with self._transaction() as db:
            db.execute("delete from awaited where source = ?", [source_name])
            db.execute(
                "update loads set state = ?, reason = ? where source = ?", [LoadState.SUPERSEDED, _RESET, source_name]
            )

    def record_awaited(self, source_name: str, window: Window) -> None:
        """Remember days that a scheduled run asked for and the provider had not published; the first time is kept."""
        with self._transaction() as db:
            db.execute(
                "insert into awaited (source, start_date, end_date, asked_at_utc) values (?, ?, ?, ?)"
                " on conflict do nothing",
                [source_name, f"{window.start}", f"{window.end}", utc_now()],
            )

    def forget_awaited(self, source_name: str, window: Window) -> None:
        """Forget days that have arrived."""
        with self._transaction() as db:
            db.execute(
                "delete from awaited where source = ? and start_date = ? and end_date = ?",
                [source_name, f"{window.start}", f"{window.end}"],
            )

    def awaited_windows(self, source_name: str) -> list[Window]:
        """Days of a source that scheduled runs ask for again, the earliest first."""
        rows = self.query("select start_date, end_date from awaited where source = ? order by 1, 2", [source_name])
        return [Window(date.fromisoformat(row["start_date"]), date.fromisoformat(row["end_date"])) for row in rows]

    def was_reset(self, source_name: str) -> bool:
        """Whether the last decision on the loads of a source was a reset."""
        rows = self.query("select reason from loads where source = ? order by rowid desc limit 1", [source_name])
        return bool(rows) and rows[0]["reason"] == _RESET

    def record_validations(
        self, run_id: str, source_name: str, load_id: str, outcomes: Iterable[ExpectationRecord]
    ) -> None:
        """Record the outcome of every expectation of one load."""
        now = utc_now()
        rows = [
            {
                "run_id": run_id,
                "source": source_name,
                "load_id": load_id,
                "expectation": outcome.expectation,
                "column_name": outcome.column,
                "severity": outcome.severity,
                "success": outcome.success,
                "checked": outcome.checked,
                "unexpected": outcome.unexpected,
                "example_keys": json.dumps(outcome.example_keys),
                "observed": outcome.observed,
                "reason": outcome.reason,
                "evaluated_at_utc": now,
            }
            for outcome in outcomes
        ]
        self._insert("validations", rows)

    def record_dbt_results(self, run_id: str, nodes: Iterable[NodeRecord]) -> None:
        """Record the outcome of every node of a dbt build."""
        now = utc_now()
        self._insert("dbt_results", [{"run_id": run_id, **vars(node), "finished_at_utc": now} for node in nodes])

    def record_publication(self, publication: Mapping[str, Any]) -> None:
        """Record a publication, and that nothing is pinned any more.

        Args:
            publication: The row of `publications` that the published file contains of itself.
        """
        with self._transaction() as db:
            _insert_row(db, "publications", publication, "on conflict do nothing")
            db.execute("delete from pin")

    def publication_ids(self) -> list[str]:
        """Identifiers of the recorded publications, in the order in which they were published."""
        return [row["publication_id"] for row in self.query("select publication_id from publications order by rowid")]

    def record_pin(self, publication_id: str, replaced_publication_id: str | None, reason: str) -> None:
        """Record that a rollback has asked for a publication, before readers see it.

        Args:
            publication_id: The one that readers will see.
            replaced_publication_id: The one that they see until then.
            reason: Why.
        """
        row = {
            "one": 1,
            "publication_id": publication_id,
            "replaced_publication_id": replaced_publication_id,
            "pinned_at_utc": utc_now(),
            "reason": reason,
        }
        with self._transaction() as db:
            db.execute("delete from pin")
            _insert_row(db, "pin", row)

    def recorded_pin(self) -> dict[str, Any] | None:
        """The last rollback that was asked for; see `publications.find_pin` for whether it is in force."""
        rows = self.query("select publication_id, replaced_publication_id, pinned_at_utc, reason from pin")
        return rows[0] if rows else None

    def record_token(self, token: TokenRecord) -> None:
        """Record a new token of the API."""
        self._insert("api_tokens", [vars(token)])

    def find_token(self, token_id: str) -> TokenRecord | None:
        """The token of an identifier; None if there is none."""
        rows = self.query("select * from api_tokens where token_id = ?", [token_id])
        return TokenRecord(**rows[0]) if rows else None

    def list_tokens(self) -> list[TokenRecord]:
        """All tokens of the API, the oldest first, also those that are not valid any more."""
        return [TokenRecord(**row) for row in self.query("select * from api_tokens order by rowid")]

    def revoke_token(self, token_id: str) -> None:
        """Record that a token is not valid any more; an earlier time is kept."""
        with self._transaction() as db:
            db.execute(
                "update api_tokens set revoked_at_utc = coalesce(revoked_at_utc, ?) where token_id = ?",
                [utc_now(), token_id],
            )

    def record_call(self, call: CallRecord) -> None:
        """Record a call of the API."""
        self._insert("api_calls", [vars(call)])

    def remove_calls(self, before_utc: str) -> None:
        """Remove the records of calls before a time."""
        with self._transaction() as db:
            db.execute("delete from api_calls where called_at_utc < ?", [before_utc])


def _insert_row(db: Session, table: str, row: Mapping[str, Any], on_conflict: str = "") -> None:
    marks = ", ".join("?" * len(row))
    db.execute(f"insert into {table} ({', '.join(row)}) values ({marks}) {on_conflict}", [*row.values()])


def _pending_row(run_id: str, load: LoadRecord) -> dict[str, Any]:
    return {
        "source": load.source_name,
        "load_id": load.load_id,
        "run_id": run_id,
        "loaded_at_utc": utc_now(),
        "rows_read": load.rows_read,
        "rows_loaded": load.rows_loaded,
        "rows_rejected": load.rows_rejected,
        "rows_repeated": load.rows_repeated,
        "state": LoadState.PENDING,
    }


def _mark_interrupted(run: dict[str, Any]) -> dict[str, Any]:
    return run | {"status": "interrupted", "error": INTERRUPTED} if _is_interrupted(run) else run


def _is_interrupted(run: Mapping[str, Any]) -> bool:
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
