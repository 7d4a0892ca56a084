"""The schema of the run records, as migrations that are applied in order.

`pragma user_version` of the store is the number of migrations that it has. A store of an earlier version is migrated
when it is opened for writing; nothing is ever edited in a migration that has landed.
"""

import sqlite3

from data_stack.errors import TerminalError

_TABLES_OF_0_1 = (
    """
    create table if not exists runs (
        run_id text primary key, command text not null, sources text not null, window_start text, window_end text,
        status text not null, started_at_utc text not null, finished_at_utc text, host text not null,
        pid integer not null, error text
    )
    """,
    """
    create table if not exists steps (
        run_id text not null, step text not null, source text, status text not null, started_at_utc text not null,
        seconds real, rows integer, detail text
    )
    """,
    """
    create table if not exists loads (
        source text not null, load_id text not null, run_id text not null,
        loaded_at_utc text not null,
        rows_read integer not null, rows_loaded integer not null,
        rows_rejected integer not null, rows_repeated integer not null,
        state text not null check (state in ('pending', 'passed', 'failed', 'accepted', 'superseded')),
        decided_at_utc text, reason text, decided_by text, primary key (source, load_id)
    )
    """,
    """
    create table if not exists validations (
        run_id text not null, source text not null, load_id text not null, expectation text not null,
        column_name text, severity text not null, success integer not null, checked integer, unexpected integer,
        example_keys text not null, observed text, reason text not null, evaluated_at_utc text not null
    )
    """,
    """
    create table if not exists dbt_results (
        run_id text not null, node text not null, resource_type text not null, status text not null,
        seconds real not null, failures integer, message text, finished_at_utc text not null
    )
    """,
    """
    create table if not exists publications (
        publication_id text primary key, run_id text not null, published_at_utc text not null, tables text not null,
        sources text not null
    )
    """,
    """
    create table if not exists current_publication (
        one integer primary key check (one = 1), publication_id text not null, pinned_at_utc text, pin_reason text
    )
    """,
    "create index if not exists steps_by_run on steps (run_id)",
    "create index if not exists validations_by_load on validations (source, load_id)",
    "create index if not exists dbt_results_by_run on dbt_results (run_id)",
)
# the published file says itself which publication it is; only a pin is left to remember
_PIN = (
    """
    create table pin (
        one integer primary key check (one = 1), publication_id text not null, replaced_publication_id text,
        pinned_at_utc text not null, reason text not null
    )
    """,
    """
    insert into pin (one, publication_id, pinned_at_utc, reason)
    select 1, publication_id, pinned_at_utc, coalesce(pin_reason, '')
    from current_publication
    where pinned_at_utc is not null
    """,
    "drop table current_publication",
)
_AWAITED = (
    """
    create table awaited (
        source text not null, start_date text not null, end_date text not null, asked_at_utc text not null,
        primary key (source, start_date, end_date)
    )
    """,
)
# a token is stored as a hash, and of a question only how long it is and its hash
_API = (
    """
    create table api_tokens (
        token_id text primary key, name text not null, role text not null, secret_sha256 text not null,
        created_at_utc text not null, expires_at_utc text not null, revoked_at_utc text
    )
    """,
    """
    create table api_calls (
        called_at_utc text not null, request_id text not null, token_id text, role text, method text not null,
        path text not null, status integer not null, milliseconds real not null, question_sha256 text,
        question_length integer, model text, input_tokens integer, output_tokens integer, cost_usd real
    )
    """,
    "create index api_calls_by_time on api_calls (called_at_utc)",
)
MIGRATIONS = (_TABLES_OF_0_1, _PIN, _AWAITED, _API)
VERSION = len(MIGRATIONS)


def migrate(db: sqlite3.Connection) -> None:
    """Bring a store to the present schema; a kill in between leaves it at the version before.

    Args:
        db: An open store, in autocommit mode.

    Raises:
        TerminalError: The store was written by a later version of the platform.
    """
    if _read_version(db) == VERSION:
        return
    db.execute("begin immediate")
    try:
        # read again: another process may have migrated it while this one waited
        version = _read_version(db)
        _require_known(version)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"pragma user_version = {VERSION}")
        db.execute("commit")
    except BaseException:
        db.execute("rollback")
        raise


def _require_known(version: int) -> None:
    if version > VERSION:
        raise _wrong_version(version, "update this checkout")


def require_version(db: sqlite3.Connection) -> None:
    """Refuse a store that is read only and cannot be migrated here.

    Raises:
        TerminalError: Its schema is not the present one.
    """
    version = _read_version(db)
    if version != VERSION:
        raise _wrong_version(version, "run `data-stack status` where the data folder can be written")


def _read_version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _wrong_version(version: int, remedy: str) -> TerminalError:
    return TerminalError(f"the run records have schema version {version}, and this version needs {VERSION}; {remedy}")
