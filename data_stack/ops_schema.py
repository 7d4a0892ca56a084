"""The schema of the run records, as migrations that are applied in order.

The version of a store is the number of migrations that it has. A store of an earlier version is migrated when it is
opened for writing; nothing is ever edited in a migration that has landed. They are written for SQLite, with the types
`text`, `integer` and `real`; `RecordStore.translate_definition` makes of them what another database needs.
"""

from data_stack.errors import TerminalError
from data_stack.record_store import RecordStore

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
TABLES = (
    "runs",
    "steps",
    "loads",
    "validations",
    "dbt_results",
    "publications",
    "pin",
    "awaited",
    "api_tokens",
    "api_calls",
)
"""Every table that the migrations leave."""


def require_schema(store: RecordStore) -> None:
    """Bring a store to the present schema.

    Args:
        store: The store, whose folder or database exists.

    Raises:
        TerminalError: The store was written by a later version of the platform, or cannot be written here.
    """
    with store.open() as session:
        version = store.read_version(session)
    if version == VERSION:
        return
    if not store.is_writable():
        raise _wrong_version(version, f"run `data-stack status` {store.migration_place}")
    _migrate(store)


def _migrate(store: RecordStore) -> None:
    """Apply the missing migrations; a kill in between leaves the store at the version before."""
    with store.transaction() as session:
        # read again: another process may have migrated it while this one waited
        version = store.read_version(session)
        if version > VERSION:
            raise _wrong_version(version, "update this checkout")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                session.execute(store.translate_definition(statement))
        store.write_version(session, VERSION)


def _wrong_version(version: int, remedy: str) -> TerminalError:
    return TerminalError(f"the run records have schema version {version}, and this version needs {VERSION}; {remedy}")
