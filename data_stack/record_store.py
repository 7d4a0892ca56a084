"""Where the run records are: a SQLite file in the data folder, or a PostgreSQL database that several machines share.

Both take the same SQL, with `?` for a value and `rowid` for the order in which rows were written.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from data_stack.errors import TerminalError, UsageError
from data_stack.settings import Settings

FILE = "ops.sqlite"
MOVED_FILE = "ops.sqlite.moved"
"""What a SQLite file is called after its rows were copied to PostgreSQL."""

Row = dict[str, Any]


class Session(Protocol):
    """An open connection, which is used by one thread."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement.

        Args:
            sql: The statement, with `?` for each value.
            parameters: The values.

        Returns:
            Rows of a select; nothing for any other statement.
        """
        ...


class RecordStore(Protocol):
    """The database of the run records of one platform, without their meaning."""

    migration_place: str
    """Where or as whom `data-stack status` can migrate the store, for an error message."""

    def open(self) -> AbstractContextManager[Session]:
        """Open it to read."""
        ...

    def transaction(self) -> AbstractContextManager[Session]:
        """Open it to write; one process writes at a time, and an error in the block undoes it."""
        ...

    def exists(self) -> bool:
        """Whether there are run records."""
        ...

    def is_writable(self) -> bool:
        """Whether tables can be created here."""
        ...

    def prepare(self) -> None:
        """Create what must exist before the store is opened."""
        ...

    def read_version(self, session: Session) -> int:
        """How many migrations the store has."""
        ...

    def write_version(self, session: Session, version: int) -> None:
        """Record how many migrations the store has."""
        ...

    def translate_definition(self, statement: str) -> str:
        """A statement of a migration as this database needs it."""
        ...

    def read_types(self, table: str) -> dict[str, str]:
        """Types of the columns of a table in order: `text`, `integer` or `real`."""
        ...


def adapt_value(value: Any) -> Any:
    """A value that every store takes: a truth value as 0 or 1, and a text without the byte zero.

    Args:
        value: A number, a text, a truth value or None.
    """
    if isinstance(value, bool):
        return int(value)
    # `str` of a member of an enumeration is its value
    return str(value).replace("\0", "\\x00") if isinstance(value, str) else value


class _SqliteSession:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return [dict(row) for row in self._db.execute(sql, [*map(adapt_value, parameters)])]


class SqliteStore:
    """The SQLite file of a data folder, in WAL mode, so that any process may write it while others read.

    Args:
        folder: `DATA_DIR/ops`.
    """

    migration_place = "where the data folder can be written"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE
        self._can_write: bool | None = None

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def prepare(self) -> None:
        """Create the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def is_writable(self) -> bool:
        """Whether the file can be written: the pages in containers have the data folder as a read-only mount."""
        if self._can_write is None:
            self._can_write = os.access(self._folder, os.W_OK)
        return self._can_write

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Open the file to read."""
        with closing(sqlite3.connect(self._uri(), uri=True, timeout=30, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            if self.is_writable():
                db.execute("pragma journal_mode = wal")
            yield _SqliteSession(db)

    def _uri(self) -> str:
        uri = self.path.absolute().as_uri()
        if self.is_writable():
            return uri
        # SQLite would create the log that it reads through, and cannot; where no writer has one, it would be empty
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        return f"{uri}?{'mode=ro' if has_log else 'immutable=1'}"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the file to write; a block that raises is undone when the connection closes."""
        with self.open() as session:
            session.execute("begin immediate")
            yield session
            session.execute("commit")

    def read_version(self, session: Session) -> int:
        """The version in the header of the file."""
        return int(session.execute("pragma user_version")[0]["user_version"])

    def write_version(self, session: Session, version: int) -> None:
        """Write the version into the header of the file, as part of the transaction."""
        session.execute(f"pragma user_version = {version}")

    def translate_definition(self, statement: str) -> str:
        """The statement unchanged: migrations are written for SQLite."""
        return statement

    def read_types(self, table: str) -> dict[str, str]:
        """Types of the columns as the migrations declare them."""
        with self.open() as session:
            return {row["name"]: row["type"].lower() for row in session.execute(f"pragma table_info({table})")}

    def put_aside(self) -> None:
        """Rename the file and its log, after its rows were copied elsewhere; nobody has it open."""
        for suffix in ("-wal", "-shm", ""):
            part = self.path.with_name(f"{FILE}{suffix}")
            if part.exists():
                part.rename(part.with_name(f"{MOVED_FILE}{suffix}"))


def open_store(settings: Settings) -> RecordStore:
    """The store that the settings name.

    Args:
        settings: `OPS_URL` names a PostgreSQL database; without it, the store is a file in the data folder.

    Raises:
        TerminalError: The data folder has run records of its own, which the database of `OPS_URL` would not continue.
    """
    file = SqliteStore(settings.ops_dir)
    if settings.ops_database is None:
        return file
    if file.exists():
        raise TerminalError(
            f"the run records of {settings.data_dir} are in {FILE}, and OPS_URL names a database; `data-stack records "
            "move` copies them there, and OPS_URL=sqlite keeps the file"
        )
    return open_database(settings.ops_database)


def open_database(url: str) -> RecordStore:
    """The store in PostgreSQL.

    Args:
        url: `OPS_URL`.

    Raises:
        UsageError: The driver is not installed.
    """
    with explain_missing_driver():
        # psycopg takes tenths of a second to import, and is installed only where it is used
        from data_stack.postgres import PostgresStore
    return PostgresStore(url)


@contextmanager
def explain_missing_driver() -> Iterator[None]:
    """Import what needs the driver of PostgreSQL in this block.

    Raises:
        UsageError: The driver is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "OPS_URL names a PostgreSQL database, and its driver is not installed; run `make setup-postgres`"
        ) from error
