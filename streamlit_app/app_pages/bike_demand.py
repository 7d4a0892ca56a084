"""Bike demand by day, hour and weekday, by kind of rider and bike. The page to copy."""

import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import Warehouse
from streamlit_app.elements import show_table
from streamlit_app.filters import Period
from streamlit_app.guard import require_complete_days, require_table, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import bike_demand as queries
from streamlit_app.view import View

PAGE = Page(
    title="Bike demand",
    icon=":material/pedal_bike:",
    order=20,
    sources=("bike",),
    tables=(queries.DAILY, queries.HOURLY),
)

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
RIDERS = {"Members": "member_trips", "Casual": "casual_trips"}
DAY_COLUMNS = {
    "date_local": "Day",
    "avg_duration_minutes": "Mean duration (min)",
    "temperature_c_mean": "Mean temperature (°C)",
    "precipitation_mm": "Precipitation (mm)",
}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    period, by = filters.choose_period(queries.get_bounds(warehouse)), filters.choose_granularity()
    days = queries.get_days(warehouse, period)
    require_complete_days(days.filter("is_complete").height, period)
    _show_trips(warehouse, period, by)
    _show_hours_of_day(warehouse, period)
    grid = arrange_week(queries.get_week(warehouse, period))
    figure = charts.draw_heat_map(grid, list(range(24)), WEEKDAYS, charts.HOUR_OF_DAY, "trips per hour")
    charts.show(figure, f"Mean trips per hour by weekday and hour, {period}")
    with show_failures(view):
        _show_rideable_types(warehouse, period, by)
    show_table(days, "bike-demand-daily", f"Days, {period}", DAY_COLUMNS, height=320)


def _show_trips(warehouse: Warehouse, period: Period, by: str) -> None:
    frame = queries.get_trips(warehouse, period, by)
    series = RIDERS | ({"Unknown": "unknown_trips"} if frame["unknown_trips"].sum() else {})
    figure = charts.draw_stacked_bars(frame, "bucket", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day by kind of rider, {period}", _describe_means(by))


def _show_hours_of_day(warehouse: Warehouse, period: Period) -> None:
    frame = queries.get_hours_of_day(warehouse, period)
    highest = frame.select(pl.max_horizontal(pl.col(*RIDERS.values()).max())).item() or 1
    kinds = {"Mondays to Fridays": False, "weekends": True}
    for column, (name, is_weekend) in zip(st.columns(2), kinds.items(), strict=True):
        part = frame.filter(pl.col("is_weekend") == is_weekend)
        figure = charts.draw_hour_lines(part, RIDERS, "Trips per hour", ",.1f trips")
        # the same scale, so that both can be compared
        figure.update_yaxes(range=[0, 1.05 * highest])
        with column:
            charts.show(figure, f"Mean trips per hour on {name}")


def arrange_week(frame: pl.DataFrame) -> list[list[float | None]]:
    """Arrange rows of `queries.get_week` as one list of 24 hours per weekday; None for hours that are not loaded."""
    values = {(row["weekday"], row["hour_of_day"]): row["trips"] for row in frame.iter_rows(named=True)}
    return [[values.get((weekday, hour)) for hour in range(24)] for weekday in range(1, 8)]


def _show_rideable_types(warehouse: Warehouse, period: Period, by: str) -> None:
    require_table(warehouse, queries.BY_RIDER)
    long = queries.get_rideable_types(warehouse, period, by)
    series = {name.replace("_", " ").capitalize(): name for name in sorted(long["rideable_type"].unique())}
    frame = long.pivot("rideable_type", index="bucket", values="trips").fill_null(0).sort("bucket")
    figure = charts.draw_stacked_bars(frame, "bucket", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day by rideable type, {period}", _describe_means(by))


def _describe_means(by: str) -> str:
    return "" if by == "day" else f"Means over the complete days of each {by}."
