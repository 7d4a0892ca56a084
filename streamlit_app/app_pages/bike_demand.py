"""Bike demand: by day, hour and weekday, by kind of rider and of bike. The page to copy."""

import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import day_column, number_column, table_with_download
from streamlit_app.filters import Period
from streamlit_app.guard import require_table, sentences
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
HOUR_OF_DAY = "Hour of the day (New York)"
RIDERS = {"Members": "member_trips", "Casual": "casual_trips"}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    period, by = filters.period(queries.bounds(warehouse)), filters.granularity()
    _say_what_is_left_out(warehouse, period)
    _by_bucket(warehouse, period, by)
    _hours_of_day(warehouse, period)
    _week(warehouse, period)
    with sentences(view):
        _rideable_types(warehouse, period, by)
    _days(warehouse, period)


def _say_what_is_left_out(warehouse: Warehouse, period: Period) -> None:
    days = queries.complete_days(warehouse, period)
    if days == 0:
        raise NothingToShowError("no day of this period is wholly loaded; choose another in the sidebar")
    if days < period.days:
        st.caption(f"{period.days - days} of the {period.days} days are not wholly loaded and left out of the charts.")


def _by_bucket(warehouse: Warehouse, period: Period, by: str) -> None:
    frame = queries.by_bucket(warehouse, period, by)
    series = RIDERS | ({"Unknown": "unknown_trips"} if frame["unknown_trips"].sum() else {})
    figure = charts.stacked_bars(frame, "bucket", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day by kind of rider, {period}", _means(by))


def _hours_of_day(warehouse: Warehouse, period: Period) -> None:
    frame = queries.hours_of_day(warehouse, period)
    kinds = {"Mondays to Fridays": False, "weekends": True}
    for column, (words, is_weekend) in zip(st.columns(2), kinds.items(), strict=True):
        part = frame.filter(pl.col("is_weekend") == is_weekend)
        figure = charts.lines(part, "hour_of_day", RIDERS, HOUR_OF_DAY, "Trips per hour", ",.1f trips")
        # the same scale, so that both can be compared
        figure.update_yaxes(range=[0, 1.05 * _highest(frame)])
        figure.update_xaxes(dtick=3, range=[0, 23])
        with column:
            charts.show(figure, f"Mean trips per hour on {words}")


def _highest(frame: pl.DataFrame) -> float:
    highest: float | None = frame.select(pl.max_horizontal(pl.col(*RIDERS.values()).max())).item()
    return highest or 1


def _week(warehouse: Warehouse, period: Period) -> None:
    frame = queries.week(warehouse, period)
    figure = charts.heat_map(week_grid(frame), list(range(24)), WEEKDAYS, HOUR_OF_DAY, "trips per hour")
    charts.show(figure, f"Mean trips per hour by weekday and hour, {period}")


def week_grid(frame: pl.DataFrame) -> list[list[float | None]]:
    """Rows of `queries.week` as a sequence a weekday of 24 hours; None where no such hour is loaded."""
    values = {(row["weekday"], row["hour_of_day"]): row["trips"] for row in frame.iter_rows(named=True)}
    return [[values.get((weekday, hour)) for hour in range(24)] for weekday in range(1, 8)]


def _rideable_types(warehouse: Warehouse, period: Period, by: str) -> None:
    require_table(warehouse, queries.BY_RIDER)
    long = queries.rideable_types(warehouse, period, by)
    types = sorted(long["rideable_type"].unique())
    frame = long.pivot("rideable_type", index="bucket", values="trips").fill_null(0).sort("bucket")
    series = {name.replace("_", " ").capitalize(): name for name in types}
    figure = charts.stacked_bars(frame, "bucket", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day by rideable type, {period}", _means(by))


def _means(by: str) -> str:
    return "" if by == "day" else f"Means over the whole days of each {by}."


def _days(warehouse: Warehouse, period: Period) -> None:
    columns = {
        "date_local": day_column("Day"),
        "trips": number_column("Trips"),
        "member_trips": number_column("Members"),
        "casual_trips": number_column("Casual"),
        "avg_duration_minutes": number_column("Mean duration (min)", 1),
        "temperature_c_mean": number_column("Mean temperature (°C)", 1),
        "precipitation_mm": number_column("Precipitation (mm)", 1),
        "is_complete": st.column_config.CheckboxColumn("Wholly loaded"),
    }
    table_with_download(queries.days(warehouse, period), "bike-demand-daily", f"Days, {period}", columns, height=320)
