"""The run records in PostgreSQL, through psycopg; imported only where `OPS_URL` names a database.

The SQL of the run records is SQLite's. What PostgreSQL does in another way is translated here, and nowhere else.
"""

import os
import re
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from data_stack.errors import TransientError, UsageError
from data_stack.record_store import Row, Session, adapt_value

Connection = psycopg.Connection[Row]

_VERSION_TABLE = "run_records_version"
# a machine that vanishes closes no connection: the server finds out after a minute, and its locks are released
_DEFAULTS = {
    "application_name": "data-stack",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "options": "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
_IDLE_SECONDS_MAX = 5
# one writer at a time, as in SQLite: the order of `rowid` is then the order in which readers see rows
_BEGIN = """
begin;
set local lock_timeout = '30s';
select pg_advisory_xact_lock(hashtextextended(current_schema() || '/run records', 0))
"""
# texts sort by their bytes, whatever the language of the database; the order of rows has no column of its own in SQLite
_TYPES = {"text": 'text collate "C"', "integer": "bigint", "real": "double precision"}
_ROW_ID = "rowid bigint generated always as identity unique"
_DECLARED = {"text": "text", "bigint": "integer", "double precision": "real"}


class _NumberLoader(Loader):
    """Sums of integers and means are numbers of Python, as from SQLite, and not decimals."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text or not text.lstrip("-").isdigit() else int(text)


class _BooleanLoader(Loader):
    """A comparison is 0 or 1, as from SQLite."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


def connect(url: str) -> Connection:
    """Open a connection in which every statement is a transaction of its own.

    Args:
        url: `OPS_URL`.

    Raises:
        UsageError: The URL cannot be understood.
        TransientError: The server does not answer, or refuses.
    """
    options = _parse_url(url)
    given = str(options.get("options", ""))
    parameters = _DEFAULTS | options | {"options": f"{_DEFAULTS['options']} {given}".strip()}
    try:
        db = psycopg.connect(**parameters, autocommit=True, row_factory=dict_row, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise _unreachable(url, error) from None
    db.adapters.register_loader("numeric", _NumberLoader)
    db.adapters.register_loader("bool", _BooleanLoader)
    return db


def _parse_url(url: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # the message quotes the URL, and so the password
        raise UsageError(
            "OPS_URL is no URL of PostgreSQL; write postgresql://USER@HOST/DATABASE, with :PASSWORD after the user, in "
            "which characters such as @, : and / are %XX"
        ) from None


def describe_database(url: str) -> str:
    """The database, its host and port, without user and password.

    Args:
        url: `OPS_URL`.
    """
    options = _parse_url(url)
    place = f"{options.get('host', 'localhost')}:{options.get('port', 5432)}"
    return f"database {options.get('dbname', options.get('user', ''))} on {place}"


def _unreachable(url: str, error: psycopg.Error) -> TransientError:
    password = str(_parse_url(url).get("password") or "")
    reason = " ".join(str(error).split())
    if password:
        reason = reason.replace(password, "***")
    return TransientError(
        f"the run records in PostgreSQL ({describe_database(url)}) cannot be reached: {reason}; check OPS_URL and the "
        "server, and run again"
    )


@contextmanager
def explain_lost_connection(url: str) -> Iterator[None]:
    """Raise what goes wrong with the server as an error that names it.

    Args:
        url: `OPS_URL`.

    Raises:
        TransientError: The server ended the connection, or another process has kept the records locked.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise TransientError(
            f"another process has been writing the run records ({describe_database(url)}) for 30 s; run again"
        ) from None
    except psycopg.OperationalError as error:
        raise _unreachable(url, error) from error


class _PostgresSession:
    def __init__(self, db: Connection) -> None:
        self._db = db

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        statement = sql.replace("%", "%%").replace("?", "%s").encode()
        cursor = self._db.execute(statement, [adapt_value(value) for value in parameters])
        if cursor.description is None:
            return []
        # in SQLite `select *` leaves it out
        return [{name: value for name, value in row.items() if name != "rowid"} for row in cursor.fetchall()]


def _close_idle(idle: list[tuple[float, int, Connection]]) -> None:
    for _, pid, db in idle:
        if pid == os.getpid():
            db.close()


class PostgresStore:
    """The schema of a PostgreSQL database that the URL names, `public` unless it says another.

    Args:
        url: `OPS_URL`.
    """

    migration_place = "as a role that may create tables in the schema"

    def __init__(self, url: str) -> None:
        self._url = url
        # what a thread has just used: a connection takes longer than what is asked in it
        self._idle: list[tuple[float, int, Connection]] = []
        weakref.finalize(self, _close_idle, self._idle)

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Open a connection to read."""
        with self._connect() as db:
            yield _PostgresSession(db)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a connection to write; a block that raises is undone when the connection closes."""
        with self._connect() as db:
            # several statements in one message, which takes no parameters
            db.execute(_BEGIN)
            yield _PostgresSession(db)
            db.execute("commit")

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        db = self._take_idle() or connect(self._url)
        try:
            with explain_lost_connection(self._url):
                yield db
        except BaseException:
            db.close()
            raise
        self._idle.append((time.monotonic(), os.getpid(), db))

    def _take_idle(self) -> Connection | None:
        """A connection that the server has most likely not ended; one of the parent process is left to that."""
        while self._idle:
            since, pid, db = self._idle.pop()
            if pid == os.getpid():
                if time.monotonic() - since < _IDLE_SECONDS_MAX:
                    return db
                db.close()
        return None

    def exists(self) -> bool:
        """Whether the tables are there."""
        with self.open() as session:
            return self.read_version(session) > 0

    def prepare(self) -> None:
        """Do nothing: the database exists, and the first migration creates the tables."""

    def is_writable(self) -> bool:
        """Whether the role may create tables."""
        with self.open() as session:
            (row,) = session.execute("select has_schema_privilege(current_schema(), 'create') as is_writable")
        return bool(row["is_writable"])

    def read_version(self, session: Session) -> int:
        """The version in a table of its own; 0 where there is no such table."""
        # `to_regclass` would answer from the cache of a session that has waited for another one to create the table
        found = "select 1 as is_there from pg_tables where schemaname = current_schema() and tablename = ?"
        if not session.execute(found, [_VERSION_TABLE]):
            return 0
        return int(session.execute(f"select version from {_VERSION_TABLE}")[0]["version"])

    def write_version(self, session: Session, version: int) -> None:
        """Write the version as part of the transaction."""
        session.execute(f"create table if not exists {_VERSION_TABLE} (version bigint not null)")
        session.execute(f"delete from {_VERSION_TABLE}")
        session.execute(f"insert into {_VERSION_TABLE} values (?)", [version])

    def translate_definition(self, statement: str) -> str:
        """Types of the same size, texts that sort by bytes, and the order of rows as a column."""
        if not re.match(r"\s*(create|alter) table", statement):
            return statement
        typed = re.sub(rf"\b({'|'.join(_TYPES)})\b", lambda match: _TYPES[match[1]], statement)
        return re.sub(r"^(\s*create table[^(]*\()", rf"\1{_ROW_ID}, ", typed)

    def read_types(self, table: str) -> dict[str, str]:
        """Types of the columns as the migrations declare them, without the order of rows."""
        with self.open() as session:
            rows = session.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = current_schema() and table_name = ? and column_name != 'rowid'"
                " order by ordinal_position",
                [table],
            )
        return {row["column_name"]: _DECLARED[row["data_type"]] for row in rows}
