"""The one place that decides what may be shown of texts that can quote a row, and of personal columns.

Errors of databases and libraries can quote the value that they failed on. So a message passes only if its kind is known
to be about SQL, names and files; of any other only the type is shown. `--debug` shows the whole traceback.
"""

import errno
import re
import secrets
import traceback
from collections.abc import Mapping
from pathlib import Path

from data_stack.errors import DataStackError

HIDDEN = "(hidden)"

# DuckDB's kinds of error whose messages come from the SQL and the files; those of all others can quote a row
_KINDS_WITHOUT_ROWS = ("Binder", "Catalog", "Parser", "IO", "Permission", "Out of Memory", "Dependency")
_DATABASE_ERROR = re.compile(r"([A-Z][\w ]*?) Error: (.*)")
_OPEN_FILE = re.compile(r'Could not set lock on file "(?P<file>[^"]+)".*?\(PID (?P<pid>\d+)\)', re.DOTALL)
_LENGTH_MAX = 300


def describe_error(error: BaseException) -> str:
    """What may be recorded and shown of an error.

    Args:
        error: Any error.

    Returns:
        Our own messages unchanged; of the operating system what failed and where; of a database what cannot quote a
        row; of anything else only the type.
    """
    if isinstance(error, DataStackError):
        return str(error)
    if open_file := describe_open_file(str(error)):
        return open_file
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk of {error.filename or 'DATA_DIR'} is full; free some space and run again"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename or 'a file'}: {error.strerror}; check the path and its permissions"
    database_message = describe_database_message(str(error))
    return f"unexpected {type(error).__name__}" + (f" ({database_message})" if database_message else "")


def describe_unexpected_error(error: Exception) -> str:
    """`describe_error`, and for errors that nobody foresaw the place in the code.

    Args:
        error: An error that has been raised.
    """
    description = describe_error(error)
    if not description.startswith("unexpected "):
        return description
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{description} in {Path(frame.filename).name}:{frame.lineno}; run again with --debug for more"


def describe_database_message(message: str) -> str | None:
    """What may be shown of a message of DuckDB, or of a library that passes one on.

    Args:
        message: For example `Conversion Error: Could not convert string 'Grandma' to INT32`.

    Returns:
        The kind of error, with its first line where that cannot quote a row; None if it is no message of DuckDB.
    """
    match = _DATABASE_ERROR.search(message)
    if match is None:
        return None
    kind, first_line = match.groups()
    return f"{kind} Error: {first_line[:_LENGTH_MAX]}" if kind in _KINDS_WITHOUT_ROWS else f"{kind} Error"


def describe_open_file(message: str) -> str | None:
    """What to do about a DuckDB file that a program outside the platform has open.

    Args:
        message: Message of an error of DuckDB, or of a library that passes one on.

    Returns:
        The file, the process and the remedy; None if the message is about something else.
    """
    match = _OPEN_FILE.search(message)
    if not match:
        return None
    return (
        f"{match['file']} is open in another program (pid {match['pid']}); close it and run again "
        "(only warehouse.duckdb is for readers, and `data-stack peek` shows raw data)"
    )


def describe_dbt_message(status: str, failures: int | None, message: str | None) -> str | None:
    """Why a dbt node did not succeed, without row contents.

    Args:
        status: dbt's status of the node.
        failures: Rows that break a test.
        message: dbt's message, which passes the database's message on.
    """
    if status in ("fail", "warn"):
        return f"{failures} rows break it"
    if status not in ("error", "runtime error") or not message:
        return None
    if message.startswith("Compilation Error"):
        return " ".join(message.split())
    # the first line names the node; only what follows is the database's message
    return describe_database_message(message.split("\n", 1)[-1]) or message.splitlines()[0].rstrip(":")


def make_printable(text: str) -> str:
    """Text of a provider on one line: after a line break it would look like a message of the platform."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def masking_expressions(columns: Mapping[str, str]) -> list[str]:
    """SQL that hides the values of personal columns.

    Equal texts become equal pseudonyms, which differ from call to call, so that rows can still be counted and grouped;
    values of any other type become null.

    Args:
        columns: DuckDB type by name of the column.

    Returns:
        Expressions for `select * replace (...)`.
    """
    salt = secrets.token_hex(8)
    return [
        f"'hidden-' || left(md5('{salt}' || \"{name}\"), 8) as \"{name}\""
        if data_type.upper().startswith("VARCHAR")
        else f'cast(null as {data_type}) as "{name}"'
        for name, data_type in columns.items()
    ]
