"""One question to one publication: checked against the catalog, cut to what is loaded, written as SQL, answered."""

import re
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import duckdb

from data_stack.errors import MetricError
from data_stack.metrics.catalog import GRAINS, METRIC_TIME, Metric, find_day_grain, suggest
from data_stack.metrics.flow import Shape, ShapeFilter
from data_stack.metrics.periods import DAY, begin_of, end_of, first_whole, last_whole, later
from data_stack.metrics.published import Days, PublishedMetrics
from data_stack.metrics.query import Grain, MetricColumn, MetricFilter, MetricQuery, MetricResult

PERIOD = "date"
"""The column of the period in an answer."""

_PLACEHOLDER = re.compile(r"\$(\w+)")
_EXAMPLE = {"week": "a Monday", "month": "the first day of a month", "quarter": "1 April", "year": "1 January"}


class Question:
    """One question to one publication."""

    def __init__(self, publication: PublishedMetrics, query: MetricQuery) -> None:
        self._publication = publication
        self._query = query
        self._group_by = tuple(dict.fromkeys(query.group_by))
        self._metrics = [publication.catalog.find(name) for name in dict.fromkeys(query.metrics)]
        self._models = list({model.name: model for metric in self._metrics for model in metric.models}.values())
        self._notes: list[str] = []

    def answer(self) -> MetricResult:
        """Check the question, run it, and say what a reader has to know."""
        self._check_grain()
        self._check_dimensions()
        order = self._read_order()
        period = self._choose_period()
        sql, parameters = self._write_sql(order, period)
        rows = self._fetch(sql, parameters, period)
        return MetricResult(
            query=self._query,
            columns=tuple(self._columns),
            rows=tuple(rows),
            sql=_write_literals(sql, parameters),
            publication_id=self._publication.publication_id,
            data_until=self._until,
            notes=tuple(self._notes),
        )

    @cached_property
    def _columns(self) -> list[MetricColumn]:
        is_personal = any(metric.is_personal for metric in self._metrics)
        labels = self._metrics[0].labels
        period = (
            [MetricColumn(name=PERIOD, label=self._query.grain.capitalize(), role="period")]
            if self._query.grain
            else []
        )
        dimensions = [
            MetricColumn(name=name, label=labels.get(name, name), role="dimension", is_personal=is_personal)
            for name in self._group_by
        ]
        metrics = [
            MetricColumn(
                name=metric.name, label=metric.label, role="metric", unit=metric.unit, is_personal=metric.is_personal
            )
            for metric in self._metrics
        ]
        return [*period, *dimensions, *metrics]

    @cached_property
    def _days(self) -> list[Days]:
        return [self._publication.find_days(model) for model in self._models if model.grain]

    @cached_property
    def _until(self) -> date | None:
        untils = [days.until for days in self._days]
        return min((day for day in untils if day), default=None) if all(untils) else None

    @property
    def _has_days(self) -> bool:
        return all(model.grain for model in self._models)

    @cached_property
    def _day_grain(self) -> Grain:
        """The finest period that all tables have."""
        return max((model.grain for model in self._models if model.grain), key=GRAINS.index)

    @cached_property
    def _whole(self) -> Grain:
        """A period must consist of whole ones of these."""
        return self._query.grain if self._windows and self._query.grain else self._day_grain

    @property
    def _windows(self) -> list[tuple[int, Grain]]:
        return [metric.compared_with for metric in self._metrics if metric.compared_with]

    @cached_property
    def _first(self) -> date | None:
        """The first day that can be answered: before it nothing is loaded, or nothing to compare with."""
        first = min((days.first for days in self._days if days.first), default=None)
        if not first or (self._whole == "day" and not self._windows):
            return first
        first = first_whole(first, self._whole)
        return max((later(first, *window) for window in self._windows), default=first)

    def _check_grain(self) -> None:
        for metric in self._metrics:
            grain = self._query.grain
            if not metric.grains and (grain or self._query.start or self._query.end):
                raise MetricError(
                    f"{metric.name} is about the present state and has no days; leave out grain and period"
                )
            if grain and grain not in metric.grains:
                raise MetricError(f"{metric.name} has no grain {grain!r}; there are: {', '.join(metric.grains)}")
            if metric.needs_grain and not grain:
                raise MetricError(
                    f"{metric.name} has a value per period only; name a grain, one of {', '.join(metric.grains)}"
                )

    def _check_dimensions(self) -> None:
        for name in self._names:
            for metric in self._metrics:
                if name not in metric.dimensions:
                    raise MetricError(f"{metric.name} has no dimension {name!r}; {suggest(name, metric.dimensions)}")

    @property
    def _names(self) -> list[str]:
        return [*self._group_by, *(condition.dimension for condition in self._query.where)]

    def _read_order(self) -> list[str]:
        known = [column.name for column in self._columns]
        for name in self._query.order_by or ():
            if name.removeprefix("-") not in known:
                raise MetricError(
                    f"the answer has no column {name.removeprefix('-')!r} to order by; there are: {', '.join(known)}"
                )
        default = [column.name for column in self._columns if column.role != "metric"]
        chosen = [*(self._query.order_by or ()), *default]
        return [f'"{name.removeprefix("-")}" {"desc" if name.startswith("-") else "asc"} nulls last' for name in chosen]

    def _choose_period(self) -> tuple[date, date] | None:
        """The days that are asked for and loaded; None if the metrics have no days or none of them is loaded."""
        if not self._has_days:
            return None
        self._check_alignment()
        if not self._first or self._until is None:
            return None
        start, end = self._query.start or self._first, self._query.end or self._until
        if end > self._until:
            self._notes.append(f"the last complete day is {self._until}; later days are left out")
            end = self._until
        if start < self._first or (not self._query.start and self._windows):
            reason = "there is nothing to compare with" if self._windows else "nothing is loaded"
            self._notes.append(f"{reason} before {self._first}")
            start = self._first
        if self._whole != "day":
            whole_end = last_whole(end, self._whole)
            if whole_end != end:
                self._notes.append(
                    f"the last {self._whole} is not complete and left out, which begins on {whole_end + DAY}"
                )
            end = whole_end
        return start, end

    def _check_alignment(self) -> None:
        whole = self._whole
        start, end = self._query.start, self._query.end
        coarse = [metric for metric in self._metrics if metric.compared_with or metric.grains[0] == whole]
        named = (coarse or self._metrics)[0].name
        if start and begin_of(start, whole) != start:
            raise MetricError(
                f"{named} is known by {whole}, so a period begins on {_EXAMPLE[whole]}, such as "
                f"{begin_of(start, whole)}, and not on {start}"
            )
        if end and end_of(end, whole) != end:
            raise MetricError(
                f"{named} is known by {whole}, so a period ends on the last day of a {whole}, such as "
                f"{end_of(end, whole)}, and not on {end}"
            )

    def _write_sql(self, order: list[str], period: tuple[date, date] | None) -> tuple[str, dict[str, Any]]:
        """One select per table of dimensions, put together by period and dimensions."""
        where, parameters = _name_values(self._query.where)
        parts = [self._write_part(metrics, where) for metrics in self._group_metrics()]
        keys = [f'"{column.name}"' for column in self._columns if column.role != "metric"]
        # every metric is in one part, so there is one value per row
        values = [f'any_value("{metric.name}") as "{metric.name}"' for metric in self._metrics]
        sql = parts[0]
        if len(parts) > 1:
            united = "\nunion all by name\n".join(f"({part})" for part in parts)
            sql = f"select {', '.join([*keys, *values])}\nfrom (\n{united}\n){' group by all' if keys else ''}"
        sql += f"\norder by {', '.join(order)}" if order else ""
        if self._has_days:
            first, last = period or (date.min, date.min)
            # a row of a month has its first day
            parameters |= {"start": first, "end": begin_of(last, self._day_grain)}
        return f"{sql}\nlimit $row_limit", parameters | {"row_limit": self._query.limit + 1}

    def _group_metrics(self) -> list[list[Metric]]:
        """The metrics whose dimensions come from the same tables, which MetricFlow joins itself."""
        groups: dict[tuple[str, ...], list[Metric]] = {}
        for metric in self._metrics:
            groups.setdefault(tuple(metric.dimensions[name] for name in self._names), []).append(metric)
        return list(groups.values())

    def _write_part(self, metrics: list[Metric], where: list[tuple[MetricFilter, tuple[str, ...]]]) -> str:
        dimensions, grain = metrics[0].dimensions, self._query.grain
        shape = Shape(
            metrics=tuple(metric.name for metric in metrics),
            dimensions=tuple(dimensions[name] for name in self._group_by),
            grain=grain,
            period=find_day_grain(self._models),
            where=tuple(ShapeFilter(dimensions[found.dimension], found.operator, names) for found, names in where),
        )
        compiled = self._publication.compile(shape)
        columns = [f'cast("{METRIC_TIME}__{grain}" as date) as "{PERIOD}"'] if grain else []
        columns += [f'"{dimensions[name]}" as "{name}"' for name in self._group_by]
        columns += [f'"{metric.name}"' for metric in metrics]
        return f"select {', '.join(columns)}\nfrom (\n{compiled.strip().rstrip(';')}\n)"

    def _fetch(self, sql: str, parameters: dict[str, Any], period: tuple[date, date] | None) -> list[tuple[Any, ...]]:
        if self._has_days and not self._is_loaded(period):
            self._note_nothing_loaded(period)
            return []
        try:
            found = self._publication.fetch(sql, parameters)
        except (duckdb.ConversionException, duckdb.BinderException):
            # the message of the database quotes values
            raise MetricError(self._describe_wrong_values()) from None
        rows = [tuple(_as_value(value) for value in row) for row in found]
        if len(rows) > self._query.limit:
            self._notes.append(f"there are more rows than the limit of {self._query.limit}")
            rows = rows[: self._query.limit]
        if not (self._query.grain or self._group_by):
            rows = [row for row in rows if any(value is not None for value in row)]
        if not rows:
            self._notes.append("no row matches the filters" if self._query.where else "there is no row")
        elif period:
            self._note_cut_periods(*period)
        return rows

    def _is_loaded(self, period: tuple[date, date] | None) -> bool:
        if period is None or period[0] > period[1]:
            return False
        return any(self._publication.has_rows(model, *period) for model in self._models)

    def _note_nothing_loaded(self, period: tuple[date, date] | None) -> None:
        names = ", ".join(metric.name for metric in self._metrics)
        if self._until is None:
            self._notes.append(f"nothing is loaded for {names}; `data-stack run` loads it")
            return
        firsts = [days.first for days in self._days if days.first]
        start, end = (
            self._query.start or min(firsts),
            self._query.end or max(self._until, self._query.start or date.min),
        )
        whole = "" if self._whole == "day" else f" in whole {self._whole}s"
        self._notes = [
            f"nothing is loaded for {names} from {start} to {end}{whole}; complete days are between {min(firsts)} and "
            f"{self._until}"
        ]

    def _note_cut_periods(self, start: date, end: date) -> None:
        grain = self._query.grain
        if grain and begin_of(start, grain) != start:
            self._notes.append(f"the first {grain} has only the days from {start}")
        if grain and end_of(end, grain) != end:
            self._notes.append(f"the last {grain} has only the days until {end}")

    def _describe_wrong_values(self) -> str:
        given = [
            f"{found.dimension} {found.operator} {', '.join(map(repr, found.values))}" for found in self._query.where
        ]
        return f"a filter compares a dimension with a value of another kind: {'; '.join(given)}"


def _name_values(
    where: tuple[MetricFilter, ...],
) -> tuple[list[tuple[MetricFilter, tuple[str, ...]]], dict[str, Any]]:
    """The filters with the names of their placeholders, and the values by these names."""
    named, parameters = list[tuple[MetricFilter, tuple[str, ...]]](), dict[str, Any]()
    for found in where:
        names = tuple(f"p{len(parameters) + position}" for position in range(len(found.values)))
        named.append((found, names))
        parameters |= zip(names, found.values, strict=True)
    return named, parameters


def _write_literals(sql: str, parameters: dict[str, Any]) -> str:
    """The SQL with its values, to be read and run elsewhere; what runs here has the placeholders."""
    return _PLACEHOLDER.sub(lambda found: _write_literal(parameters[found[1]]), sql)


def _write_literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return f"date '{value}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def _as_value(value: Any) -> Any:
    """Dates as texts, decimals as numbers."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else value
