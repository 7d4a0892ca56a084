"""What is right: a copy of a published file, the questions with its values, and the values that SQL finds in it."""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.analyst.questions import Question, Turn
from data_stack.errors import DataStackError, TerminalError
from data_stack.metrics.door import Metrics, open_metrics
from data_stack.metrics.periods import begin_of
from data_stack.metrics.query import MetricFilter, MetricInfo, MetricQuery, MetricResult
from data_stack.settings import Settings
from data_stack.warehouse import connect_warehouse

_SECRET_MIN = 4


@contextmanager
def open_reference(source: Settings, folder: Path, questions: Iterable[Question]) -> Iterator["Reference"]:
    """Copy a published file, plant the values of the questions, and open it for the length of a block.

    Args:
        source: Whose published file is copied; it is not changed.
        folder: Where the copy is made.
        questions: Those whose metrics are there and have values are kept.

    Raises:
        TerminalError: Nothing has been published, or a question does not fit to what is.
    """
    settings = _copy(source, folder)
    with open_metrics(settings) as metrics:
        offered = {info.name: info for info in metrics.list()}
    fitting = [question for question in questions if question.metrics <= offered.keys()]
    _plant(settings, fitting)
    with open_metrics(settings) as metrics, connect_warehouse(settings.warehouse_file) as db:
        yield Reference(settings, metrics, db, fitting)


def _copy(source: Settings, folder: Path) -> Settings:
    settings = Settings.load(data_dir=folder)
    if not source.warehouse_file.exists():
        raise TerminalError(f"{source.warehouse_file} does not exist; `data-stack sample demo` publishes a sample")
    shutil.copyfile(source.warehouse_file, settings.warehouse_file)
    return settings


def _plant(settings: Settings, questions: Iterable[Question]) -> None:
    with duckdb.connect(str(settings.warehouse_file)) as db:
        for question in questions:
            for statement in question.plants:
                try:
                    db.execute(statement)
                except duckdb.Error as error:
                    raise TerminalError(f"question {question.id}: its plant cannot be run ({error})") from None


class Reference:
    """What is right about the questions, by SQL and by the door to the metrics.

    Args:
        settings: Of the folder with the copy.
        metrics: Opened on the copy.
        db: Opened on the copy.
        questions: Those whose metrics are all there; it keeps those for which there are values.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, db: duckdb.DuckDBPyConnection, questions: Iterable[Question]
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self._db = db
        self._answers: dict[MetricQuery, MetricResult | None] = {}
        self._firsts: dict[str, date | None] = {}
        self._values: dict[str, list[Any]] = {}
        filled = [one for question in questions if (one := self._fill_in(question))]
        self.questions = [one for one in filled if all(self.read_values(turn.sql) for turn in one.turns if turn.sql)]

    def read_values(self, sql: str) -> list[Any]:
        """The values of all cells, row by row, without those that are null.

        Args:
            sql: Of a question.

        Raises:
            TerminalError: The SQL does not fit to the published file.
        """
        if sql not in self._values:
            try:
                rows = self._db.execute(sql).fetchall()
            except duckdb.Error as error:
                raise TerminalError(f"the SQL of a question cannot be run ({error}): {sql}") from None
            self._values[sql] = [_as_value(value) for row in rows for value in row if value is not None]
        return self._values[sql]

    def count_rows(self, sql: str) -> int:
        """How many rows SQL finds."""
        return len(self._db.execute(sql).fetchall())

    def answer(self, query: MetricQuery) -> MetricResult | None:
        """The answer of the metrics, kept for the next time; None if they refuse the query.

        Args:
            query: The query.
        """
        if query not in self._answers:
            try:
                self._answers[query] = self.metrics.query(query)
            except DataStackError:
                self._answers[query] = None
        return self._answers[query]

    def is_computed_from_personal(self, turn: Turn) -> bool:
        """Whether the answer of a prompt is computed from a personal source."""
        return any(self._infos[name].is_personal for query in turn.queries[:1] for name in query.metrics)

    @cached_property
    def _infos(self) -> Mapping[str, MetricInfo]:
        return {info.name: info for info in self.metrics.list()}

    @cached_property
    def personal_texts(self) -> list[str]:
        """Texts of personal columns that are in no other column, such as a payee with the name of a category."""
        columns = self._db.execute(
            "select table_name, column_name from ops.personal_columns where data_type = 'VARCHAR' order by all"
        ).fetchall()
        others = self._db.execute(
            """
            select table_name, column_name from (
                select schema_name || '.' || table_name as table_name, column_name from duckdb_columns()
                where database_name = 'warehouse' and data_type = 'VARCHAR'
            )
            where table_name in (select table_name from ops.personal_columns)
                and (table_name, column_name) not in (select (table_name, column_name) from ops.personal_columns)
            """
        ).fetchall()
        found = {text for table, column in columns for text in self._read_texts(table, column)}
        found -= {text for table, column in others for text in self._read_texts(table, column)}
        return sorted(text for text in found if len(text) >= _SECRET_MIN and re.search(r"[^\W\d]", text))

    def _read_texts(self, table: str, column: str) -> list[str]:
        schema, _, name = table.partition(".")
        sql = f'select distinct "{column}" from "{schema}"."{name}" where "{column}" is not null'
        return [text for (text,) in self._db.execute(sql).fetchall()]

    def find_period(self, query: MetricQuery) -> tuple[date, date] | None:
        """The days that a query is about: those that are asked for and loaded; None if its metrics have none.

        Args:
            query: A query of known metrics.
        """
        infos = [self._infos[name] for name in query.metrics]
        firsts = [first for info in infos if (first := self._find_first(info))]
        untils = [info.data_until for info in infos if info.data_until]
        if not firsts or not untils:
            return None
        first, until = min(firsts), min(untils)
        return max(query.start or first, first), min(query.end or until, until)

    def find_grain(self, query: MetricQuery) -> str | None:
        """The grain of a query; None if it has one row, also where it says so by a period that is one month."""
        period = self.find_period(query)
        if not query.grain or not period or begin_of(period[0], query.grain) == begin_of(period[1], query.grain):
            return None
        return query.grain

    def knows(self, query: MetricQuery) -> bool:
        """Whether all metrics of a query exist."""
        return all(name in self._infos for name in query.metrics)

    def _find_first(self, info: MetricInfo) -> date | None:
        if info.name not in self._firsts:
            query = MetricQuery(metrics=(info.name,), grain=info.grains[0], limit=1) if info.grains else None
            rows = self.metrics.query(query).rows if query else ()
            self._firsts[info.name] = date.fromisoformat(rows[0][0]) if rows else None
        return self._firsts[info.name]

    def _fill_in(self, question: Question) -> Question | None:
        """The question with the values of the published file; None if it has not all of them."""
        found = {name: self.read_values(sql) for name, sql in question.given.items()}
        for name, values in found.items():
            if len(values) > 1:
                raise TerminalError(f"question {question.id}: the SQL of {name} finds {len(values)} values, not one")
        if not all(found.values()):
            return None
        texts = {name: str(values[0]) for name, values in found.items()}
        return Question.model_validate(_replace(question.model_dump(mode="json"), texts)) if texts else question


def normalise_filters(filters: Iterable[MetricFilter]) -> set[tuple[str, str, frozenset[str]]]:
    """Filters in a form in which those of the same meaning are equal.

    Args:
        filters: Of a query.
    """
    one_value = {"=": "in", "!=": "not in"}
    return {
        (found.dimension, one_value.get(found.operator, found.operator), frozenset(map(_as_text, found.values)))
        for found in filters
    }


def _as_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value).casefold()


def _replace(found: Any, values: Mapping[str, str], is_sql: bool = False) -> Any:
    if isinstance(found, dict):
        return {key: _replace(value, values, key in ("sql", "secrets")) for key, value in found.items()}
    if isinstance(found, list):
        return [_replace(value, values, is_sql) for value in found]
    if isinstance(found, str):
        for name, value in values.items():
            found = found.replace(f"{{{name}}}", value.replace("'", "''") if is_sql else value)
    return found


def _as_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()[:10]
    return float(value) if isinstance(value, Decimal) else value
