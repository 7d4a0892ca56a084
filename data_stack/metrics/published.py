"""One published file with its metrics: the definitions, the days that are loaded, and queries in several threads."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any

import duckdb

from data_stack.errors import TerminalError
from data_stack.metrics.catalog import Catalog, SemanticModel
from data_stack.metrics.flow import Shape, compile_shape
from data_stack.metrics.periods import end_of


@dataclass(frozen=True)
class Days:
    """First day of a model, and the last complete one; None where nothing is loaded."""

    first: date | None
    until: date | None


class PublishedMetrics:
    """One published file with its metrics; it stays open and unchanged when a later one is published.

    Args:
        db: The published file, as `connect_warehouse` opens it.
        compiles: Whether it compiles what is not published as SQL; a page does not wait for that.

    Raises:
        TerminalError: The publication was made by a version without metrics.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, compiles: bool = True) -> None:
        self.db = db
        self._compiles = compiles
        self.publication_id, self.manifest_hash, self.manifest = self._read_definitions()
        self.catalog = Catalog(self.manifest)
        self._days: dict[str, Days] = {}
        # several figures of a page ask the same
        self._has_rows = lru_cache(maxsize=1024)(self._look_for_rows)

    def fetch(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query, on a cursor of its own, because threads ask at the same time.

        Args:
            sql: A select; it refers to the parameters as `$name`.
            parameters: Values by name.
        """
        with self.db.cursor() as cursor:
            cursor.execute("use warehouse")
            return cursor.execute(sql, parameters or {}).fetchall()

    def compile(self, shape: Shape) -> str:
        """Get the SQL of a shape: the published one, or else compiled.

        Args:
            shape: What is asked, in names that the catalog has checked.

        Raises:
            MetricError: MetricFlow does not join the tables like this.
            TerminalError: It is not published and shall not be compiled, or MetricFlow is not installed.
        """
        published = self._published_sql.get(shape.key)
        if published is None and not self._compiles:
            raise TerminalError(
                f"the publication was made by an earlier version and has no SQL of {', '.join(shape.metrics)};"
                " `data-stack run` publishes it again"
            )
        return published or compile_shape(self.manifest, self.manifest_hash, shape)

    @cached_property
    def _published_sql(self) -> dict[str, str]:
        try:
            return dict(self.fetch("select shape, sql from ops.metric_totals"))
        except duckdb.CatalogException:
            return {}

    def find_days(self, model: SemanticModel) -> Days:
        """Find which days of a model are loaded; asks the file once."""
        model = self._find_model_of_days(model)
        if model.name not in self._days:
            first, until = self._read_days(model) if model.grain else (None, None)
            # a row of a month stands for all its days
            self._days[model.name] = Days(first, end_of(until, model.grain) if until and model.grain else until)
        return self._days[model.name]

    def has_rows(self, model: SemanticModel, start: date, end: date) -> bool:
        """Whether a model has a complete day in a period."""
        return self._has_rows(self._find_model_of_days(model).name, start, end)

    def _look_for_rows(self, model_name: str, start: date, end: date) -> bool:
        model = self.catalog.models[model_name]
        condition = f"{model.complete_when} and {model.day} between $first and $last"
        sql = f"select 1 from {model.relation} where {condition} limit 1"
        return bool(self.fetch(sql, {"first": start, "last": end}))

    def _find_model_of_days(self, model: SemanticModel) -> SemanticModel:
        return self.catalog.models[model.days_of] if model.days_of else model

    def _read_days(self, model: SemanticModel) -> tuple[date | None, date | None]:
        last = f"max({model.day}) filter (where {model.complete_when})"
        (found,) = self.fetch(f"select min({model.day}), {last} from {model.relation}")
        return _as_day(found[0]), _as_day(found[1])

    def _read_definitions(self) -> tuple[str, str, str]:
        sql = "select publication_id, manifest_hash, manifest from ops.publication, ops.semantic_manifest"
        try:
            (found,) = self.db.execute(sql).fetchall()
        except duckdb.CatalogException:
            raise TerminalError(
                "the publication was made by an earlier version and has no metrics; `data-stack run` publishes it again"
            ) from None
        return found[0], found[1], found[2]


def _as_day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else value
