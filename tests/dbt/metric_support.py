"""Shared by the tests of metrics: a publication with rows of two years, references, and an independent compiler.

The compiler knows a small part of what MetricFlow does, and shares no code with it: two ways to the same number.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
from records import change_records

from data_stack.metrics.door import Metrics
from data_stack.metrics.query import Grain, MetricQuery
from data_stack.ops import LoadRecord, LoadState, Ops

FIRST, LAST = date(2023, 1, 1), date(2024, 12, 31)
_DAYS = f"""
insert into core.dim_dates by name
select
    cast(day as date) as date_local, cast(date_trunc('month', day) as date) as month, year(day) as year,
    month(day) as month_of_year, day(day) as day_of_month, isodow(day) as weekday, isodow(day) >= 6 as is_weekend,
    (month(day), day(day)) = (7, 4) as is_holiday,
    case when (month(day), day(day)) = (7, 4) then 'Independence Day' end as holiday, 24 as hours_in_day
from generate_series(date '{FIRST}', date '{LAST}', interval 1 day) as series(day)
"""

Values = dict[tuple[Any, ...], Any]
"""Values by period and dimension."""


@dataclass(frozen=True)
class Reference:
    """A metric as hand-written SQL on the marts.

    Attributes:
        value: The metric, as an aggregate.
        rows: What follows `from`.
        day: The column of the day.
        dimension: A dimension of the metric.
        expression: Its SQL; empty: its name.
    """

    value: str
    rows: str
    day: str = "date_local"
    dimension: str = ""
    expression: str = ""

    def compute(self, fetch: "Fetch", grain: Grain | None, by: str = "") -> Values:
        """The values by period and dimension."""
        period = [f"cast(date_trunc('{grain}', {self.day}) as date)"] if grain else []
        keys = [*period, *([self.expression or by] if by else [])]
        grouped = f" group by {', '.join(map(str, range(1, len(keys) + 1)))}" if keys else ""
        found = fetch(f"select {', '.join([*keys, self.value])} from {self.rows}{grouped}")
        return {row[:-1]: row[-1] for row in found}


Fetch = Callable[[str], list[tuple[Any, ...]]]


def find_modules() -> list[ModuleType]:
    """The test modules that have rows and references, one per file of definitions."""
    return [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("test_*_metrics.py"))]


def fill(build_file: Path) -> None:
    """Put the rows of the modules into a build that has the columns of the dbt models."""
    modules = find_modules()
    with duckdb.connect(str(build_file)) as db:
        db.execute("delete from core.dim_dates")
        db.execute(_DAYS)
        for module in modules:
            for statement in module.ROWS:
                db.execute(statement)


def record_loads(ops: Ops) -> None:
    """Add loads of three weeks and two sources: passed, pending, and one without rows."""
    for number in range(6):
        source, load_id = f"of tests {number % 2}", f"metrics-{number}"
        loaded, rejected = number % 4 * 100, number * 3
        ops.record_load("test", LoadRecord(source, load_id, loaded + rejected + number, loaded, rejected, number))
        if number != 3:
            ops.decide_load(source, load_id, LoadState.PASSED)
        change_records(
            ops, "update loads set loaded_at_utc = datetime(loaded_at_utc, ?) where load_id = ?",
            [(f"-{number * 4} days", load_id)],
        )  # fmt: skip


def ask(metrics: Metrics, name: str, grain: Grain | None, by: Iterable[str] = (), **given: Any) -> Values:
    """A metric by period and dimensions, as the door answers."""
    query = MetricQuery.model_validate(
        {"metrics": [name], "grain": grain, "group_by": list(by), "limit": 10_000} | given
    )
    return {tuple(_read_key(key) for key in row[:-1]): row[-1] for row in metrics.query(query).rows}


def _read_key(key: Any) -> Any:
    is_day = isinstance(key, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", key)
    return date.fromisoformat(key) if is_day else key


def assert_same(found: Values, expected: Values, what: str) -> None:
    """The same keys, and the same values but for the last digits of a division."""
    found = {key: value for key, value in found.items() if value is not None}
    expected = {key: value for key, value in expected.items() if value is not None}
    assert found.keys() == expected.keys(), f"{what}: {sorted(found.keys() ^ expected.keys(), key=str)[:5]}"
    for key, value in found.items():
        assert abs(float(value) - float(expected[key])) <= 1e-9 * max(1, abs(float(value))), f"{what}, {key}"


def assert_equals_reference(metrics: Metrics, fetch: Fetch, name: str, reference: Reference) -> None:
    """A metric equals its SQL in one number, at every grain, and by one dimension."""
    info = metrics.describe(name)
    assert not reference.dimension or reference.dimension in info.dimensions
    for by in ["", *([reference.dimension] if reference.dimension else [])]:
        for grain in (None, *info.grains):
            found = ask(metrics, name, grain, [by] if by else [])
            expected = reference.compute(fetch, grain, by)
            assert expected, "there is nothing to compare"
            assert_same(found, expected, f"{name} by {grain} {by}")


class SmallCompiler:
    """Computes simple, ratio and derived metrics from a semantic manifest; nothing cumulative, compared or joined.

    Args:
        manifest: The manifest, as JSON.
        fetch: Runs SQL on the published file.
    """

    def __init__(self, manifest: str, fetch: Fetch) -> None:
        content = json.loads(manifest)
        self._fetch = fetch
        self._metrics = {metric["name"]: metric for metric in content["metrics"]}
        self._models = {measure["name"]: model for model in content["semantic_models"] for measure in model["measures"]}

    def knows(self, name: str) -> bool:
        """Whether it can compute a metric."""
        metric = self._metrics[name]
        entries = list(self._inputs(metric))
        if entries:
            return all(not entry.get("offset_window") and self.knows(entry["name"]) for entry in entries)
        own = {dimension["name"] for dimension in self._model(metric)["dimensions"]}
        return metric["type"] == "simple" and set(re.findall(r"__(\w+)'", self._filter(metric))) <= own

    def compute(self, name: str, grain: Grain | None, until: date | None) -> Values:
        """The values by period, to a last day."""
        metric = self._metrics[name]
        params = metric["type_params"]
        if metric["type"] == "ratio":
            over, under = (self.compute(params[part]["name"], grain, until) for part in ("numerator", "denominator"))
            return {key: float(over[key]) / float(under[key]) for key in over.keys() & under.keys() if under[key]}
        if metric["type"] == "derived":
            parts = {
                entry.get("alias") or entry["name"]: self.compute(entry["name"], grain, until)
                for entry in params["metrics"]
            }
            keys = set.intersection(*(set(found) for found in parts.values()))
            return {
                key: self._evaluate(params["expr"], {name: part[key] for name, part in parts.items()}) for key in keys
            }
        return self._compute_simple(metric, grain, until)

    def _compute_simple(self, metric: Mapping[str, Any], grain: Grain | None, until: date | None) -> Values:
        model, relation = self._model(metric), self._model(metric)["node_relation"]
        columns = {dimension["name"]: dimension.get("expr") or dimension["name"] for dimension in model["dimensions"]}
        measure = next(one for one in model["measures"] if one["name"] == metric["type_params"]["measure"]["name"])
        condition = re.sub(r"\{\{ Dimension\('\w+?__(\w+)'\) \}\}", lambda hit: columns[hit[1]], self._filter(metric))
        day = columns[model["defaults"]["agg_time_dimension"]]
        value = {"count_distinct": "count(distinct {})", "average": "avg({})"}.get(
            measure["agg"], f"{measure['agg']}({{}})"
        )
        period = f"cast(date_trunc('{grain}', {day}) as date), " if grain else ""
        last = f" and {day} <= date '{until}'" if until else ""
        found = self._fetch(
            f"select {period}{value.format(measure['expr'])} from {relation['schema_name']}.{relation['alias']}"
            f" where {condition or 'true'}{last}{' group by 1' if grain else ''}"
        )
        return {row[:-1]: row[-1] for row in found}

    def _evaluate(self, expression: str, values: Mapping[str, Any]) -> Any:
        kinds = {name: "decimal(18, 4)" if isinstance(value, Decimal) else "double" for name, value in values.items()}
        named = ", ".join(f"cast({_literal(values[name])} as {kind}) as {name}" for name, kind in kinds.items())
        return self._fetch(f"select {expression} from (select {named})")[0][0]

    def _inputs(self, metric: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        params = metric["type_params"]
        for part in (params.get("numerator"), params.get("denominator"), *(params.get("metrics") or ())):
            if part:
                yield part

    def _model(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        return self._models[metric["type_params"]["measure"]["name"]]

    def _filter(self, metric: Mapping[str, Any]) -> str:
        filters = (metric.get("filter") or {}).get("where_filters") or []
        return " and ".join(f"({one['where_sql_template']})" for one in filters)


def _literal(value: Any) -> str:
    return "null" if value is None else str(value)
