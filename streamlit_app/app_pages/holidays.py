"""Holidays: trips on nationwide holidays, compared with ordinary days of the same weekday."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.palette import BLUE, GREY
from streamlit_app import charts, filters
from streamlit_app.data import Warehouse
from streamlit_app.elements import show_table
from streamlit_app.filters import Period
from streamlit_app.formats import escape_markdown, format_change, format_day, format_number
from streamlit_app.guard import require_rows, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import holidays as queries
from streamlit_app.view import View

PAGE = Page(
    title="Holidays",
    icon=":material/celebration:",
    order=30,
    sources=("bike", "holidays"),
    tables=(queries.EFFECT,),
)

CHANGE_TITLE = "Trips compared with ordinary days (%)"
SORTS = {"date": "Date", "effect": "Largest effect first"}
EFFECT_COLUMNS = {
    "date_local": "Day",
    "weekday": None,
    "comparison_trips": "Mean of ordinary days",
    "comparison_days": "Ordinary days",
    "difference_share": "Difference (%)",
}
OTHER_COLUMNS = {"date_local": "Day", "entries": "Entries of the provider"}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    period = filters.choose_period(queries.get_bounds(warehouse))
    sort = filters.choose("sort", "Sort by", SORTS, "date")
    st.markdown(
        "Each nationwide holiday is compared with the mean of the **same weekday in the four weeks before and after"
        " it**. Other holidays and incomplete days are left out of the mean. Each holiday is a single day: a part of"
        " the difference is chance, and the comparison does not adjust for the weather."
    )
    with show_failures(view):
        _show_effects(warehouse, period, sort)
    with show_failures(view):
        _show_others(warehouse, period)


def _show_effects(warehouse: Warehouse, period: Period, sort: str) -> None:
    frame = sort_effects(queries.get_effects(warehouse, period), sort)
    require_rows(frame, "no complete day of this period is a nationwide holiday; choose another period in the sidebar")
    compared = frame.filter(pl.col("difference_share").is_not_null())
    if compared.is_empty():
        st.info("No holiday of this period has an ordinary day to compare with; the table has its trips.")
    else:
        note = f"Holidays: {frame.height}. Without an ordinary day to compare with: {frame.height - compared.height}."
        charts.show(_draw_effects(compared), _title_effects(compared, period), note)
    show_table(frame, "holiday-effect", f"Nationwide holidays, {period}", EFFECT_COLUMNS)


def sort_effects(frame: pl.DataFrame, sort: str) -> pl.DataFrame:
    """Sort rows of `queries.get_effects`.

    Args:
        frame: The rows.
        sort: One of `SORTS`; what cannot be compared comes last where the effect decides.
    """
    if sort == "effect":
        return frame.sort(pl.col("difference_share").abs(), "date_local", descending=[True, False], nulls_last=True)
    return frame.sort("date_local")


def _title_effects(frame: pl.DataFrame, period: Period) -> str:
    row = sort_effects(frame, "effect").row(0, named=True)
    name, change = escape_markdown(row["holiday"]), format_change(row["difference_share"])
    return f"Largest effect: {name}, {format_day(row['date_local'])}, {change} trips, {period}"


def _draw_effects(frame: pl.DataFrame) -> go.Figure:
    figure = charts.make_figure(CHANGE_TITLE, "", 110 + 34 * frame.height, hovermode="closest", margin={"t": 10})
    names = [_label_holiday(row) for row in frame.iter_rows(named=True)]
    figure.add_bar(
        x=(100 * frame["difference_share"]).to_list(),
        y=names,
        orientation="h",
        marker={"color": BLUE, "line": {"width": 0}},
        customdata=[
            (format_number(row["trips"]), format_number(row["comparison_trips"], 1), row["comparison_days"])
            for row in frame.iter_rows(named=True)
        ],
        hovertemplate="%{x:+.0f} %: %{customdata[0]} trips, mean %{customdata[1]} of %{customdata[2]} days"
        "<extra>%{y}</extra>",
    )
    figure.add_vline(0, line={"color": GREY, "dash": "dot", "width": 1})
    return figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed")


def _label_holiday(row: dict[str, Any]) -> str:
    return f"{charts.escape_label(row['holiday'])}, {format_day(row['date_local'])}"


def _show_others(warehouse: Warehouse, period: Period) -> None:
    frame = queries.get_other_holidays(warehouse, period)
    require_rows(frame, "no day of this period is a holiday of some states only")
    show_table(frame, "other-holidays", f"Holidays that are not nationwide, not compared, {period}", OTHER_COLUMNS)
