"""Charts with one look, units on the axes, and a title that says what the chart shows."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.palette import GREY, PALETTE, SEQUENTIAL

HOUR_OF_DAY = "Hour of day (New York)"

_HEIGHT = 340
_CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
_LAYOUT = go.Layout(
    colorway=PALETTE,
    hovermode="x unified",
    bargap=0.1,
    margin={"l": 10, "r": 10, "t": 40, "b": 10},
    legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "traceorder": "normal"},
    xaxis={"automargin": True},
    yaxis={"automargin": True, "rangemode": "tozero"},
)
# text, grid and background follow Streamlit's light or dark theme
_TEMPLATE = go.layout.Template(layout=_LAYOUT)


def show(figure: go.Figure, title: str, note: str = "", key: str | None = None) -> None:
    """Show a chart under its title.

    Args:
        figure: Made by a function of this module.
        title: What it shows, with the days; screen readers read it too.
        note: What is left out, or how to read it.
        key: Unique name; needed on Home, where the charts of two sources can be equal, which Streamlit refuses.
    """
    # above the figure and not in it, where a long one would be cut off
    st.markdown(f"##### {title}")
    if note:
        st.caption(note)
    st.plotly_chart(figure, config=_CONFIG, alt=title, key=key)


def make_figure(x_title: str, y_title: str, height: int = _HEIGHT, **layout: Any) -> go.Figure:
    """Make an empty figure.

    Args:
        x_title: What the horizontal axis shows, with its unit; empty for days.
        y_title: What the vertical axis shows, with its unit.
        height: Height in pixels.
        layout: Attributes of Plotly's layout.
    """
    figure = go.Figure(layout={"template": _TEMPLATE, "height": height, **layout})
    return figure.update_xaxes(title_text=x_title).update_yaxes(title_text=y_title)


def draw_lines(
    frame: pl.DataFrame, x: str, series: Mapping[str, str], x_title: str, y_title: str, hover: str
) -> go.Figure:
    """Draw lines over a common axis.

    Args:
        frame: Sorted by `x`; a null is a gap.
        x: Column of the horizontal axis.
        series: Column by name in the legend.
        x_title: What the horizontal axis shows, with its unit; empty for days.
        y_title: What the vertical axis shows, with its unit.
        hover: d3 format of a value and its unit, for example `,.1f trips`.
    """
    figure = make_figure(x_title, y_title)
    for (name, column), colour in zip(series.items(), _list_colours(series), strict=True):
        line = {"color": colour, "width": 2}
        figure.add_scatter(**_make_trace(frame, x, column, name, hover), mode="lines", line=line)
    return figure


def draw_hour_lines(frame: pl.DataFrame, series: Mapping[str, str], y_title: str, hover: str) -> go.Figure:
    """Draw lines over the column `hour_of_day`; the arguments are those of `draw_lines`."""
    figure = draw_lines(frame, "hour_of_day", series, HOUR_OF_DAY, y_title, hover)
    return figure.update_xaxes(dtick=3, range=[0, 23])


def draw_stacked_bars(
    frame: pl.DataFrame, x: str, series: Mapping[str, str], x_title: str, y_title: str, hover: str
) -> go.Figure:
    """Draw bars that add up; the arguments are those of `draw_lines`."""
    figure = make_figure(x_title, y_title, barmode="stack")
    for (name, column), colour in zip(series.items(), _list_colours(series), strict=True):
        marker = {"color": colour, "line": {"width": 0}}
        figure.add_bar(**_make_trace(frame, x, column, name, hover), marker=marker)
    return figure


def draw_heat_map(
    values: Sequence[Sequence[float | None]], columns: Sequence[Any], rows: Sequence[str], x_title: str, unit: str
) -> go.Figure:
    """Draw values as colours over two axes.

    Args:
        values: One sequence per row, from the top.
        columns: Labels of the columns.
        rows: Labels of the rows.
        x_title: What the horizontal axis shows.
        unit: Unit of a value.
    """
    figure = make_figure(x_title, "", hovermode="closest", margin={"t": 10})
    figure.add_heatmap(
        z=values,
        x=columns,
        y=rows,
        colorscale=SEQUENTIAL,
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": unit, "side": "right"}, "thickness": 12},
        hovertemplate=f"%{{y}}, %{{x}}: %{{z:,.1f}} {unit}<extra></extra>",
    )
    return figure.update_xaxes(dtick=2).update_yaxes(autorange="reversed")


def escape_label(text: str) -> str:
    """Escape a text from the data for a label of a chart: Plotly reads labels as a kind of HTML."""
    return escape(text, quote=False)


def _make_trace(frame: pl.DataFrame, x: str, y: str, name: str, hover: str) -> dict[str, Any]:
    spec, _, unit = hover.partition(" ")
    template = f"%{{y:{spec}}} {unit}".rstrip()
    return {"x": frame[x].to_list(), "y": frame[y].to_list(), "name": name, "hovertemplate": template}


def _list_colours(series: Mapping[str, str]) -> list[str]:
    """List one colour per series in the order of the palette; the series "Unknown" is grey."""
    colours = iter(PALETTE * (1 + len(series) // len(PALETTE)))
    return [GREY if name == "Unknown" else next(colours) for name in series]
