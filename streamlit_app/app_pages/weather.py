"""Weather by day: temperature, precipitation and snowfall, with the hours that are missing."""

from functools import partial

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.palette import GREY
from streamlit_app import charts, filters
from streamlit_app.data import Warehouse
from streamlit_app.elements import Metric, show_metrics, show_table
from streamlit_app.figures import fetch_figures
from streamlit_app.filters import Period
from streamlit_app.formats import format_amount, format_temperature
from streamlit_app.guard import require_rows, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import weather as queries
from streamlit_app.view import View

PAGE = Page(
    title="Weather",
    icon=":material/thermostat:",
    order=30,
    sources=("weather",),
    tables=(queries.DAILY,),
)

FIGURES = (
    "temperature",
    "lowest_temperature",
    "highest_temperature",
    "precipitation",
    "snowfall",
    "missing_weather_hours",
)

TEMPERATURES = {"Mean": "temperature_c_mean", "Highest": "temperature_c_max", "Lowest": "temperature_c_min"}
DAY_COLUMNS = {
    "date_local": "Day",
    "temperature_c_mean": "Mean temperature (°C)",
    "temperature_c_min": "Lowest temperature (°C)",
    "temperature_c_max": "Highest temperature (°C)",
    "precipitation_mm": "Precipitation (mm)",
    "snowfall_cm": "Snowfall (cm)",
    "missing_hours": "Missing hours",
}


def render(view: View) -> None:
    """Draw the page."""
    period = filters.choose_period(queries.get_bounds(view.warehouse))
    days = queries.get_days(view.warehouse, period)
    with show_failures(view):
        _show_key_figures(view.warehouse, period)
    _explain_missing_hours(days)
    with show_failures(view):
        _show_temperature(days, period)
    with show_failures(view):
        title = f"Precipitation per day, {period}"
        _show_amounts(days, "precipitation_mm", "Precipitation (mm)", "mm", title, "Rain, showers and melted snow.")
    if days["snowfall_cm"].sum():
        _show_amounts(days, "snowfall_cm", "Snowfall (cm)", "cm", f"Snowfall per day, {period}")
    show_table(days.reverse(), "weather-daily", f"Days, {period}", DAY_COLUMNS, height=320)


def _show_key_figures(warehouse: Warehouse, period: Period) -> None:
    figures = fetch_figures(warehouse, FIGURES, period)
    mean, lowest, highest, precipitation, snowfall, missing = (figures[name] for name in FIGURES)
    complete = "Of the days that have a value for every hour"
    show_metrics(
        Metric("Mean temperature", mean, show=format_temperature, note=complete),
        Metric("Lowest temperature", lowest, show=format_temperature, note=complete),
        Metric("Highest temperature", highest, show=format_temperature, note=complete),
    )
    # a row of its own: six figures side by side would be cut off
    show_metrics(
        Metric("Precipitation", precipitation, show=partial(format_amount, unit="mm"), note=complete),
        Metric("Snowfall", snowfall, show=partial(format_amount, unit="cm"), note=complete),
        Metric("Missing hours", missing, note="Without a temperature, a precipitation or a snowfall"),
    )


def _explain_missing_hours(days: pl.DataFrame) -> None:
    incomplete = days.filter(pl.col("missing_hours") > 0).height
    if incomplete:
        st.caption(
            f"{incomplete} of the {days.height} days have hours without a value. A missing hour is not zero: what needs"
            " it is missing in the figures, the charts and the table."
        )


def _show_temperature(days: pl.DataFrame, period: Period) -> None:
    known = days.filter(pl.col("temperature_c_mean").is_not_null())
    require_rows(known, "no day of this period has a temperature for every hour; choose another period in the sidebar")
    figure = charts.draw_lines(days, "date_local", TEMPERATURES, "", "Temperature (°C)", ".1f °C")
    figure.update_yaxes(rangemode="normal")
    charts.show(figure, f"Temperature per day, {period}", "Mean, highest and lowest of the hours of each day.")


def _show_amounts(days: pl.DataFrame, column: str, label: str, unit: str, title: str, note: str = "") -> None:
    known = days.filter(pl.col(column).is_not_null())
    name = label.split(" (")[0].lower()
    require_rows(known, f"no day of this period has its {name} for every hour; choose another period in the sidebar")
    charts.show(draw_amounts(days, column, label, unit), title, note)


def draw_amounts(days: pl.DataFrame, column: str, label: str, unit: str) -> go.Figure:
    """Draw a bar per day, and a mark on days without a value, which would look like zero.

    Args:
        days: Rows of `queries.get_days`.
        column: Column of the amount.
        label: What the amount is, with its unit.
        unit: Its unit.
    """
    figure = charts.draw_stacked_bars(days, "date_local", {label: column}, "", label, f",.1f {unit}")
    missing = days.filter(pl.col(column).is_null())["date_local"].to_list()
    if missing:
        figure.add_scatter(
            x=missing,
            y=[0] * len(missing),
            mode="markers",
            name="Missing",
            marker={"symbol": "x", "size": 8, "color": GREY},
            hovertemplate="missing<extra></extra>",
        )
    return figure
