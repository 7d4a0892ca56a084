"""The process that answers statements: one line of JSON in, one line of JSON out; a process can be killed.

Started by `door.py` as `python -m data_stack.sql_door.worker`. Nothing but answers reaches its standard output, and it
exits with its caller, which closes the standard input.
"""

import io
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO, Any

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import DataStackError, QueryRefusedError, TerminalError
from data_stack.redaction import describe_database_message
from data_stack.sql_door.access import Readable, attach_published
from data_stack.sql_door.tree import Statement, check_tree

ROWS_AT_ONCE = 200
_SHOW_TABLES = "from (show all tables) where database = 'warehouse'"


@dataclass(frozen=True)
class _Opened:
    """The published file as it is attached; `seen` changes with each publication."""

    db: duckdb.DuckDBPyConnection
    readable: Readable
    seen: tuple[int, ...]


class Answerer:
    """Answers statements on the published file, which it opens again after each publication.

    Args:
        path: The published file.
        reader: Who asks.
        limits: `memory_limit` and `threads` of DuckDB.
    """

    def __init__(self, path: str, reader: Any, limits: Mapping[str, Any]) -> None:
        self._path, self._reader, self._limits = path, reader, limits
        self._opened: _Opened | None = None

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one statement.

        Args:
            question: `sql`, and `rows` and `size` for values or `rows` and `width` for a drawn table.

        Raises:
            DataStackError: It is refused, or there is no publication.
        """
        opened = self._open()
        sql = str(question["sql"])
        statement = self._check(opened, sql)
        try:
            relation = opened.db.sql(_SHOW_TABLES if statement.lists_tables else sql)
            answer = _draw(relation, question) if "width" in question else _read_values(relation, question)
        except duckdb.Error as error:
            raise QueryRefusedError(self._describe_failure(opened.readable, statement, error)) from error
        tables = {name: sorted(opened.readable.tables[name]) for name in statement.tables}
        return {**answer, "tables": tables, "publication_id": _read_publication_id(opened)}

    def _open(self) -> _Opened:
        file = Path(self._path)
        if not file.exists():
            raise TerminalError(
                f"there is no published warehouse at {file}; `make demo` or `data-stack run` publishes one"
            )
        state = file.stat()
        seen = (state.st_ino, state.st_mtime_ns, state.st_size)
        if self._opened is None or self._opened.seen != seen:
            if self._opened is not None:
                self._opened.db.close()
                self._opened = None
            db = connect_duckdb(
                python_enable_replacements=False,
                autoinstall_known_extensions=False,
                autoload_known_extensions=False,
                max_temp_directory_size="0B",
                **self._limits,
            )
            readable = attach_published(db, self._path, self._reader)
            db.execute("set enable_external_access = false; set lock_configuration = true")
            self._opened = _Opened(db, readable, seen)
        return self._opened

    def _check(self, opened: _Opened, sql: str) -> Statement:
        if "\0" in sql:
            raise QueryRefusedError("the statement contains a null character; leave it out")
        # a literal, as DuckDB imports pandas for the first parameter that it binds: 0.4 s
        literal = sql.replace("'", "''")
        try:
            row = opened.db.execute(f"select json_serialize_sql('{literal}'::varchar)").fetchone()
            tree = json.loads(row[0] if row else "{}")
        except (duckdb.Error, RecursionError) as error:
            raise QueryRefusedError("the statement cannot be parsed; write it shorter and flatter") from error
        return check_tree(tree, opened.readable.tables, opened.readable.explain)

    def _describe_failure(self, readable: Readable, statement: Statement, error: duckdb.Error) -> str:
        personal = readable.find_personal(statement.tables, statement.columns)
        if isinstance(error, duckdb.BinderException) and personal and readable.access.personal_columns == "absent":
            return f"{', '.join(personal)}: personal, and not for this reader; ask for columns that are not"
        if readable.access.personal_columns == "shown":
            return str(error)
        return describe_database_message(str(error)) or type(error).__name__


def _draw(relation: duckdb.DuckDBPyRelation, question: Mapping[str, Any]) -> dict[str, Any]:
    with redirect_stdout(io.StringIO()) as drawn:
        relation.show(max_rows=question["rows"], max_width=question["width"])
    return {"text": drawn.getvalue()}


def _read_values(relation: duckdb.DuckDBPyRelation, question: Mapping[str, Any]) -> dict[str, Any]:
    """The rows as values of JSON; one more than asked for says that there are more."""
    limit, room = question["rows"], question["size"]
    columns = [{"name": name, "type": str(kind)} for name, kind in zip(relation.columns, relation.types, strict=True)]
    relation = relation.limit(limit + 1)
    rows: list[list[Any]] = []
    while len(rows) <= limit and (found := relation.fetchmany(min(ROWS_AT_ONCE, limit + 1 - len(rows)))):
        new = [[_make_json(value) for value in row] for row in found]
        room -= len(json.dumps(new))
        if room < 0:
            raise QueryRefusedError(
                f"the answer is larger than {question['size'] // 1_000_000} MB; select fewer columns or rows"
            )
        rows += new
    return {"columns": columns, "rows": rows[:limit], "is_cut": len(rows) > limit}


def _make_json(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Decimal():
            return float(value)
        case date() | datetime() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(key): _make_json(item) for key, item in value.items()}
        case list() | tuple():
            return [_make_json(item) for item in value]
        case _:
            return str(value)


def _read_publication_id(opened: _Opened) -> str | None:
    try:
        row = opened.db.execute("select publication_id from published.ops.publication").fetchone()
    except duckdb.CatalogException:
        return None
    return row[0] if row else None


def _limit_process(address_space: int | None) -> None:
    if address_space:
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer lines of standard input until it is closed."""
    begin = json.loads(sys.argv[1])
    _limit_process(begin["address_space"])
    # whatever a library prints goes nowhere; only this copy of the descriptor reaches the caller
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    answerer = Answerer(begin["path"], begin["reader"], begin["limits"])
    _write(answers, {})
    for line in sys.stdin:
        question = json.loads(line)
        # the caller kills what is late; if the caller is gone, the kernel does
        signal.setitimer(signal.ITIMER_REAL, question["seconds"] + 5)
        try:
            answer = answerer.answer(question)
        except DataStackError as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        except (MemoryError, RecursionError):
            answer = {
                "error": "the statement needs more memory than it may use; ask for less",
                "kind": "QueryRefusedError",
            }
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, answer)


def _write(answers: IO[str], answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
