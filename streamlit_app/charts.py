"""Charts: one palette and one look, units on axes, a title that says what the chart shows."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

# of Okabe and Ito, those with a contrast of 3 to 1 against the white and the dark background
BLUE, VERMILION, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c8c8c"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, GREY)
# its lightness rises evenly, so it reads without colour too
SEQUENTIAL = "Cividis"
# less than, as much as, more than
DIVERGING = [[0.0, VERMILION], [0.5, "#c8c8c8"], [1.0, BLUE]]

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
TEMPLATE = go.layout.Template(layout=_LAYOUT)
"""The look of every chart; text, grid and background follow Streamlit's light or dark theme."""


def show(figure: go.Figure, title: str, note: str = "") -> None:
    """Show a chart under its title.

    Args:
        figure: Made by a function of this module.
        title: What it shows, with the days; also read out to who cannot see it.
        note: What is left out, or how to read it.
    """
    # above the figure and not in it, where a long one would be cut
    st.markdown(f"##### {title}")
    if note:
        st.caption(note)
    st.plotly_chart(figure, config=_CONFIG, alt=title)


def lines(frame: pl.DataFrame, x: str, series: Mapping[str, str], x_title: str, y_title: str, hover: str) -> go.Figure:
    """Lines over a common axis.

    Args:
        frame: Sorted by `x`; a null is a gap.
        x: Column of the horizontal axis.
        series: Column by name in the legend.
        x_title: What the horizontal axis shows, with its unit; empty for days.
        y_title: What the vertical axis shows, with its unit.
        hover: d3 format of a value with its unit, for example `,.1f` followed by words.
    """
    figure = _figure(x_title, y_title)
    for (name, column), colour in zip(series.items(), _colours(series), strict=True):
        figure.add_scatter(
            x=frame[x].to_list(),
            y=frame[column].to_list(),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2},
            hovertemplate=_hover(hover),
        )
    return figure


def stacked_bars(
    frame: pl.DataFrame, x: str, series: Mapping[str, str], x_title: str, y_title: str, hover: str
) -> go.Figure:
    """Bars that add up; the arguments are those of `lines`."""
    figure = _figure(x_title, y_title)
    for (name, column), colour in zip(series.items(), _colours(series), strict=True):
        figure.add_bar(
            x=frame[x].to_list(),
            y=frame[column].to_list(),
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=_hover(hover),
        )
    figure.update_layout(barmode="stack")
    return figure


def heat_map(
    values: Sequence[Sequence[float | None]], columns: Sequence[Any], rows: Sequence[str], x_title: str, unit: str
) -> go.Figure:
    """Colours over two axes.

    Args:
        values: A sequence a row, from the top.
        columns: What the columns stand for.
        rows: What the rows stand for.
        x_title: What the horizontal axis shows.
        unit: Words of a value.
    """
    figure = _figure(x_title, "")
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
    figure.update_layout(hovermode="closest", yaxis={"autorange": "reversed"}, xaxis={"dtick": 2}, margin={"t": 10})
    return figure


def plain(text: str) -> str:
    """Words of data for a label of a chart, which would read them as a kind of HTML."""
    return escape(text, quote=False)


def _figure(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure(layout={"template": TEMPLATE, "height": _HEIGHT})
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    return figure


def _hover(form: str) -> str:
    spec, _, unit = form.partition(" ")
    return f"%{{y:{spec}}} {unit}".rstrip()


def _colours(series: Mapping[str, str]) -> list[str]:
    """One a series, in the palette's order; what is not known is grey."""
    plain = iter(PALETTE * (1 + len(series) // len(PALETTE)))
    return [GREY if name == "Unknown" else next(plain) for name in series]
