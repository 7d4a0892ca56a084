"""Answers of the metrics as charts and tables. The shape of an answer decides how it is drawn."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.metrics.query import MetricColumn, MetricQuery, MetricResult
from data_stack.palette import PALETTE
from streamlit_app import charts
from streamlit_app.elements import show_table
from streamlit_app.formats import escape_markdown, format_day

LINK = "query"
"""The URL parameter with a question to the metrics, as JSON."""
LINES_MAX = len(PALETTE)
"""Lines of a chart, so that each has a colour of its own."""
BARS_MAX = 40

_SHARE = "share"
_UNKNOWN = "Unknown"

Shape = Literal["lines", "bars", "table"]


def show_result(result: MetricResult, name: str) -> None:
    """Show an answer: charts, the table with its download, the query, the SQL and a link.

    Args:
        result: The answer.
        name: Of the file that is downloaded; must be unique on the page.
    """
    frame = make_frame(result)
    for note in result.notes:
        st.caption(f"{escape_markdown(note[:1].upper() + note[1:])}.")
    if any(column.is_personal for column in result.columns):
        st.caption("These rows come from personal data.")
    if not frame.is_empty():
        drawn = list(draw_charts(result, frame))
        for number, (title, figure) in enumerate(drawn):
            charts.show(figure, title, key=f"{name}-{number}")
        labels = {column.name: _configure(column) for column in result.columns}
        title = "The same as a table" if drawn else _make_title(_metrics(result), result)
        show_table(frame, name, title, labels, decimals=2)
    with st.expander("Query and SQL", icon=":material/code:"):
        _show_origin(result, name)


def write_link(query: MetricQuery) -> str:
    """A URL, relative to the page, that opens the answer to a question.

    Args:
        query: The question.
    """
    return f"?{urlencode({LINK: write_query(query)})}"


def write_query(query: MetricQuery) -> str:
    """A question as short JSON."""
    return query.model_dump_json(exclude_defaults=True)


def choose_shape(result: MetricResult) -> Shape:
    """Choose how to draw an answer: lines over time, bars of one dimension, else a table only.

    Args:
        result: The answer.
    """
    periods, dimensions = _with_role(result, "period"), _with_role(result, "dimension")
    if len(result.rows) < 2 or len(dimensions) > 1:
        return "table"
    if periods:
        kinds = {row[1] for row in result.rows} if dimensions else set()
        return "lines" if len(kinds) <= LINES_MAX and len({row[0] for row in result.rows}) > 1 else "table"
    return "bars" if dimensions and len(result.rows) <= BARS_MAX else "table"


def make_frame(result: MetricResult) -> pl.DataFrame:
    """The rows of an answer with their types: days, numbers, and dimensions as they are.

    Args:
        result: The answer.
    """
    values = [[row[place] for row in result.rows] for place in range(len(result.columns))]
    return pl.DataFrame([_make_series(column, found) for column, found in zip(result.columns, values, strict=True)])


def draw_charts(result: MetricResult, frame: pl.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """Draw the charts of an answer, with their titles; none if a table says it better.

    Args:
        result: The answer.
        frame: Its rows, of `make_frame`.
    """
    shape = choose_shape(result)
    if shape == "lines":
        yield from _draw_lines(result, frame)
    elif shape == "bars":
        yield from _draw_bars(result, frame)


def _draw_lines(result: MetricResult, frame: pl.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    dimensions = _with_role(result, "dimension")
    if dimensions:
        for metric in _metrics(result):
            wide, series = _spread(frame, dimensions[0].name, metric.name)
            figure = charts.draw_lines(wide, "date", series, "", _label_axis(metric), _format_hover(metric, frame))
            yield _make_title([metric], result), _format_axis(figure, metric)
        return
    # a common axis needs a common unit
    for unit in dict.fromkeys(metric.unit for metric in _metrics(result)):
        found = [metric for metric in _metrics(result) if metric.unit == unit]
        series = {charts.escape_label(metric.label): metric.name for metric in found}
        axis, hover = _label_axis(found[0]), _format_hover(found[0], frame)
        figure = charts.draw_lines(frame.sort("date"), "date", series, "", axis, hover)
        yield _make_title(found, result), _format_axis(figure, found[0])


def _spread(frame: pl.DataFrame, dimension: str, metric: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """One column per value of a dimension; a period without a value is a gap."""
    wide, series = frame.select("date").unique().sort("date"), dict[str, str]()
    for number, value in enumerate(frame[dimension].unique(maintain_order=True).to_list()):
        line = frame.filter(pl.col(dimension).eq_missing(pl.lit(value))).select("date", value=metric)
        wide = wide.join(line.rename({"value": f"line_{number}"}), on="date", how="left", maintain_order="left")
        series[_name_value(value)] = f"line_{number}"
    return wide, series


def _draw_bars(result: MetricResult, frame: pl.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    (dimension,) = _with_role(result, "dimension")
    # no metric has a name with a space
    named = frame.with_columns(pl.Series("a bar", [_name_value(value) for value in frame[dimension.name].to_list()]))
    for metric in _metrics(result):
        series = {charts.escape_label(metric.label): metric.name}
        axes = charts.escape_label(dimension.label), _label_axis(metric)
        figure = charts.draw_stacked_bars(named, "a bar", series, *axes, _format_hover(metric, frame))
        yield _make_title([metric], result), _format_axis(figure.update_xaxes(type="category"), metric)


def _name_value(value: Any) -> str:
    return _UNKNOWN if value is None else charts.escape_label(str(value))


def _make_series(column: MetricColumn, values: Sequence[Any]) -> pl.Series:
    if column.role == "period":
        return pl.Series(column.name, values, pl.String).str.to_date()
    if column.role == "metric":
        kind = pl.Float64 if any(isinstance(value, float) for value in values) else pl.Int64
        return pl.Series(column.name, values, kind)
    return pl.Series(column.name, values, strict=False)


def _configure(column: MetricColumn) -> Any:
    label = f"{column.label} ({column.unit})" if column.unit not in ("", _SHARE) else column.label
    return st.column_config.NumberColumn(label, format="percent") if column.unit == _SHARE else label


def _label_axis(metric: MetricColumn) -> str:
    return charts.escape_label(metric.label if metric.unit in ("", _SHARE) else metric.unit.capitalize())


def _format_hover(metric: MetricColumn, frame: pl.DataFrame) -> str:
    if metric.unit == _SHARE:
        return ",.1%"
    return f"{',.2f' if frame[metric.name].dtype.is_float() else ',.0f'} {charts.escape_label(metric.unit)}"


def _format_axis(figure: go.Figure, metric: MetricColumn) -> go.Figure:
    return figure.update_yaxes(tickformat=",.0%") if metric.unit == _SHARE else figure


def _make_title(metrics: Sequence[MetricColumn], result: MetricResult) -> str:
    """What is shown, by what and for which days: `Trips by month and kind of rider, until 31 Dec 2024`."""
    names = ", ".join(metric.label for metric in metrics)
    keys = " and ".join(column.label.lower() for column in result.columns if column.role != "metric")
    return escape_markdown(f"{names}{' by ' if keys else ''}{keys}{_describe_days(result)}")


def _describe_days(result: MetricResult) -> str:
    start, end = result.query.start, result.query.end or result.data_until
    if end and result.data_until:
        end = min(end, result.data_until)
    if start and end:
        return f", {format_day(start)} to {format_day(end)}"
    return f", until {format_day(end)}" if end else f", from {format_day(start)}" if start else ""


def _show_origin(result: MetricResult, name: str) -> None:
    st.code(write_query(result.query), language="json", wrap_lines=True)
    st.code(result.sql, language="sql")
    until = f", complete days until {format_day(result.data_until)}" if result.data_until else ""
    st.caption(f"Answered from the publication {escape_markdown(result.publication_id)}{until}.")
    label = "Open by its link, which needs no model"
    st.link_button(label, write_link(result.query), key=f"link-{name}", icon=":material/link:")


def _metrics(result: MetricResult) -> list[MetricColumn]:
    return _with_role(result, "metric")


def _with_role(result: MetricResult, role: str) -> list[MetricColumn]:
    return [column for column in result.columns if column.role == role]
