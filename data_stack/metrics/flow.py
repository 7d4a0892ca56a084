"""MetricFlow as a compiler, in process: a shape of a question becomes SQL with placeholders for its values.

Values never enter the text. So the SQL of a shape is compiled once per semantic manifest and kept on disk, and who asks
for it again does not import MetricFlow, which takes a second. The SQL of every total is published with the data.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from data_stack.errors import MetricError, TerminalError
from data_stack.metrics.catalog import METRIC_TIME, Catalog, Metric
from data_stack.metrics.query import Grain, Operator
from data_stack.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from metricflow.engine.metricflow_engine import MetricFlowEngine

_KEPT_MANIFESTS = 5
_KEPT_SHAPES = 2000
_compiling = Lock()


@dataclass(frozen=True)
class ShapeFilter:
    """A filter without its values.

    Attributes:
        dimension: MetricFlow's name.
        operator: How it compares.
        parameters: Names of the values, in order.
    """

    dimension: str
    operator: Operator
    parameters: tuple[str, ...]

    def render(self) -> str:
        """The condition, as MetricFlow takes it."""
        values = ", ".join(f"${name}" for name in self.parameters)
        listed = f"({values})" if self.operator in ("in", "not in") else values
        return f"{{{{ Dimension('{self.dimension}') }}}} {self.operator} {listed}"


@dataclass(frozen=True)
class Shape:
    """A question without its values.

    Attributes:
        metrics: Names of the metrics.
        dimensions: MetricFlow's names of the dimensions.
        grain: One row per such period; None for one row.
        period: The grain of the days that are compared with `$start` and `$end`; None if the metrics have no days.
        where: Filters, all of which hold.
    """

    metrics: tuple[str, ...]
    dimensions: tuple[str, ...]
    grain: Grain | None
    period: Grain | None
    where: tuple[ShapeFilter, ...]

    @classmethod
    def total(cls, metric: Metric) -> "Shape":
        """The metric as one number over a period."""
        return cls(metrics=(metric.name,), dimensions=(), grain=None, period=metric.day_grain, where=())

    @property
    def key(self) -> str:
        """Hash of what MetricFlow is asked, so that a change of this module asks again."""
        asked = json.dumps([self.metrics, self.render_group_by(), self.render_where()])
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    def render_group_by(self) -> list[str]:
        """The columns before the metrics, as MetricFlow takes them."""
        return [*([f"{METRIC_TIME}__{self.grain}"] if self.grain else []), *self.dimensions]

    def render_where(self) -> list[str]:
        """The conditions, as MetricFlow takes them.

        Its own `time_constraint_start` is not used: it widens a period to whole periods of the grain.
        """
        conditions = [condition.render() for condition in self.where]
        if self.period:
            day = f"{{{{ TimeDimension('{METRIC_TIME}', '{self.period}') }}}}"
            conditions += [f"{day} >= $start", f"{day} <= $end"]
        return conditions


@lru_cache(maxsize=2)
def compile_totals(manifest: str, manifest_hash: str) -> list[tuple[str, str, str]]:
    """Compile every metric as one number over a period, for readers that do not wait for MetricFlow.

    Args:
        manifest: The semantic manifest, as JSON.
        manifest_hash: Its hash.

    Returns:
        The key of the shape, the name of the metric, and SQL on the published file.

    Raises:
        MetricError: MetricFlow cannot compile one of them.
        TerminalError: MetricFlow is not installed.
    """
    metrics = [metric for metric in Catalog(manifest).metrics.values() if not metric.needs_grain]
    shapes = [Shape.total(metric) for metric in metrics]
    return [(shape.key, shape.metrics[0], compile_shape(manifest, manifest_hash, shape)) for shape in shapes]


def compile_shape(manifest: str, manifest_hash: str, shape: Shape) -> str:
    """Compile a shape, unless its SQL is kept.

    Args:
        manifest: The semantic manifest, as JSON.
        manifest_hash: Its hash.
        shape: What is asked, in names that the catalog has checked.

    Returns:
        SQL on the published file; its columns have MetricFlow's names.

    Raises:
        MetricError: MetricFlow does not join the tables like this.
        TerminalError: MetricFlow is not installed.
    """
    kept = _find_kept_file(manifest_hash, shape)
    with suppress(OSError):
        return kept.read_text()
    try:
        from metricflow_semantics.errors.error_classes import InformativeUserError
    except ImportError:
        # an image that only loads and publishes
        raise TerminalError(
            "MetricFlow, which compiles questions to metrics, is not installed here; `uv sync --group metrics` does"
        ) from None
    try:
        with _compiling:
            sql = _compile(_open_engine(manifest_hash, manifest), shape)
    except InformativeUserError:
        # its message names raw measures and every way to reach a dimension
        raise MetricError(
            f"{', '.join(shape.metrics)} cannot be grouped and filtered like this; ask for less"
        ) from None
    _keep(kept, sql)
    return sql


def _compile(engine: "MetricFlowEngine", shape: Shape) -> str:
    from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

    request = MetricFlowQueryRequest.create(
        metric_names=list(shape.metrics),
        group_by_names=shape.render_group_by(),
        where_constraints=shape.render_where(),
    )
    return engine.explain(request).sql_statement.sql


@lru_cache(maxsize=2)
def _open_engine(manifest_hash: str, manifest: str) -> "MetricFlowEngine":
    from metricflow.engine.metricflow_engine import MetricFlowEngine
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    parsed = parse_manifest_from_dbt_generated_manifest(manifest)
    return MetricFlowEngine(semantic_manifest_lookup=SemanticManifestLookup(parsed), sql_client=_make_client())


def _make_client() -> Any:
    from metricflow.protocols.sql_client import SqlEngine
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer

    class Renderer:
        """Renders DuckDB's SQL and executes nothing."""

        sql_engine_type = SqlEngine.DUCKDB
        sql_plan_renderer = DuckDbSqlPlanRenderer()

        def query(self, *_: Any) -> None:
            raise NotImplementedError("the door executes the SQL")

        execute = dry_run = query

        def close(self) -> None:
            """Nothing is open."""

        def render_bind_parameter_key(self, key: str) -> str:
            return f"${key}"

    return Renderer()


def _find_kept_file(manifest_hash: str, shape: Shape) -> Path:
    return _cache_folder() / manifest_hash / f"{shape.key}-{version('metricflow')}.sql"


def _cache_folder() -> Path:
    return PROJECT_ROOT / ".cache" / "metrics"


def _keep(target: Path, sql: str) -> None:
    """Keep SQL for the next process; a folder that cannot be written costs time and nothing else."""
    from data_stack.ops import new_id

    new = target.with_name(f".{new_id()}.new")
    with suppress(OSError):
        is_first = not target.parent.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        # somebody who asks for ever new shapes shall not fill the disk
        if sum(1 for _ in target.parent.iterdir()) >= _KEPT_SHAPES:
            return
        try:
            new.write_text(sql)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        if is_first:
            _forget_oldest(target.parent.parent)


def _forget_oldest(folder: Path) -> None:
    import shutil

    for path in sorted(folder.iterdir(), key=lambda found: found.stat().st_mtime)[:-_KEPT_MANIFESTS]:
        shutil.rmtree(path, ignore_errors=True)
