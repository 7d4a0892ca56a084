"""Weather impact: trips by temperature and precipitation, compared with dry hours of the same hour and weekday."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.estimates import MIN_CLUSTERS, Curve, fit_curve
from data_stack.palette import BLUE, GREY, PURPLE, VERMILION, VERMILION_BAND
from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import show_table
from streamlit_app.filters import Period
from streamlit_app.formats import format_change, format_number
from streamlit_app.guard import require_rows, require_table, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import weather_impact as queries
from streamlit_app.view import View

PAGE = Page(
    title="Weather impact",
    icon=":material/partly_cloudy_day:",
    order=30,
    sources=("bike", "weather"),
    tables=(queries.HOURLY,),
)

CHANGE_TITLE = "Trips compared with the expected (%)"
# days with fewer dry hours are left out
DRY_HOURS = 12
STEP_C = 5
KINDS = {
    "dry": "Dry",
    "light": "Light rain",
    "moderate": "Moderate rain",
    "heavy": "Heavy rain",
    "snow": "Snow",
}
CONDITION_COLUMNS = {
    "temperature_band": "Temperature (°C)",
    "difference_from_dry": "Difference from expected (trips per hour)",
}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    loaded = queries.get_bounds(warehouse)
    period = filters.choose_period(loaded)
    _explain_comparison(warehouse, period, loaded)
    with show_failures(view):
        _show_temperature(warehouse, period)
    with show_failures(view):
        _show_precipitation(warehouse, period)
    with show_failures(view):
        _show_wet_hours(warehouse, period)
    with show_failures(view):
        require_table(warehouse, queries.EFFECT)
        title = f"Conditions and temperatures, all loaded days, {loaded}"
        show_table(queries.get_conditions(warehouse), "weather-conditions", title, CONDITION_COLUMNS)


def _explain_comparison(warehouse: Warehouse, period: Period, loaded: Period) -> None:
    hours = queries.count_hours(warehouse, period)
    if not hours["compared"]:
        raise NothingToShowError("no hour of this period can be compared; choose another period in the sidebar")
    st.markdown(
        "Each hour is compared with the mean of the dry hours of the **same hour and weekday**, so a wet commute is"
        f" not compared with a dry night. This mean, the *expected* trips, comes from all loaded days ({loaded}) and"
        " does not depend on the chosen period. It has **no season**: a cold hour also has fewer trips because it is"
        " winter, so the charts show what happens together with the weather, and not all of it is caused by the"
        " weather. `notebooks/weather_impact.ipynb` also compares within the same month."
    )
    left_out = hours["hours"] - hours["compared"]
    without = f"; {format_number(left_out)} are left out, without a dry hour to compare with" if left_out else ""
    compared, wet = format_number(hours["compared"]), format_number(hours["wet"])
    st.caption(f"{compared} hours with weather in this period, {wet} of them with precipitation{without}.")


def _show_temperature(warehouse: Warehouse, period: Period) -> None:
    frame = queries.get_dry_days(warehouse, period, DRY_HOURS)
    require_rows(frame, f"no day of this period has {DRY_HOURS} dry hours; choose another period in the sidebar")
    curve = fit_curve(frame["temperature_c"].to_list(), frame["change"].to_list(), frame["date_local"].to_list())
    points = (
        f"Dry hours of each day; days with fewer than {DRY_HOURS} dry hours are left out. Diamonds are means of the"
        f" days in steps of {STEP_C} °C."
    )
    if curve is None:
        title = f"Trips in dry hours compared with the expected, by temperature, {period}"
        fit = f"No curve: it needs {MIN_CLUSTERS} weeks with different temperatures; choose a longer period."
    else:
        places = [float(frame["temperature_c"].quantile(share) or 0) for share in (0.1, 0.9)]
        ends = ", ".join(f"{format_change(curve.at(place))} at {place:.0f} °C" for place in places)
        title = f"Trips in dry hours compared with the expected: {ends}, {period}"
        fit = (
            "The curve is a natural cubic spline with four knots, fitted by least squares. The band is the 95 %"
            " confidence band of the mean. It comes from leaving out one week after the other, because days of the same"
            " week are similar. Where diamonds of many days are outside of the band, the curve is too smooth."
        )
    charts.show(_draw_temperature(frame, curve), title, f"{points} {fit}")


def _draw_temperature(frame: pl.DataFrame, curve: Curve | None) -> go.Figure:
    figure = _make_figure("Mean temperature of the dry hours (°C)", CHANGE_TITLE, 420)
    figure.add_scatter(
        x=frame["temperature_c"].to_list(),
        y=(100 * frame["change"]).to_list(),
        customdata=frame.select(pl.col("date_local").dt.strftime("%-d %b %Y"), "trips", "hours").rows(),
        mode="markers",
        name="One day",
        marker={"color": BLUE, "size": 7, "opacity": 0.85},
        hovertemplate="%{customdata[0]}: %{y:+.0f} % at %{x:.1f} °C<br>%{customdata[1]:,} trips in %{customdata[2]}"
        " dry hours<extra></extra>",
    )
    if curve is not None:
        _add_curve(figure, curve)
    steps = average_steps(frame)
    figure.add_scatter(
        x=steps["temperature_c"].to_list(),
        y=(100 * steps["change"]).to_list(),
        customdata=steps["days"].to_list(),
        mode="markers",
        name=f"Mean of {STEP_C} °C",
        marker={"color": PURPLE, "size": 12, "symbol": "diamond", "line": {"color": "white", "width": 1}},
        hovertemplate="mean %{y:+.0f} % at %{x:.1f} °C, days: %{customdata}<extra></extra>",
    )
    return figure.add_hline(0, line={"color": GREY, "dash": "dot", "width": 1})


def average_steps(frame: pl.DataFrame) -> pl.DataFrame:
    """Average the days of `queries.get_dry_days` in steps of `STEP_C`, which assumes no shape.

    Returns:
        One row per step, from the coldest: `temperature_c`, `change`, `days`.
    """
    steps = frame.group_by((pl.col("temperature_c") / STEP_C).floor().alias("step"))
    means = steps.agg(pl.col("temperature_c", "change").mean(), pl.len().alias("days"))
    return means.sort("step").drop("step")


def _add_curve(figure: go.Figure, curve: Curve) -> None:
    x = curve.x.tolist()
    figure.add_scatter(
        x=x + x[::-1],
        y=(100 * curve.high).tolist() + (100 * curve.low[::-1]).tolist(),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=VERMILION_BAND,
        name="95 % band of the mean",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=x,
        y=(100 * curve.mean).tolist(),
        mode="lines",
        line={"color": VERMILION, "width": 3},
        name="Mean",
        hovertemplate="mean %{y:+.0f} % at %{x:.1f} °C<extra></extra>",
    )


def _show_precipitation(warehouse: Warehouse, period: Period) -> None:
    frame = queries.get_precipitation_kinds(warehouse, period)
    require_rows(frame, "no trips are expected in the hours of this period; choose another period in the sidebar")
    hollow = (
        f" Hollow: fewer than {MIN_CLUSTERS} weeks, too few for an interval." if frame["margin"].has_nulls() else ""
    )
    note = (
        "Sums of trips divided by sums of expected trips, with 95 % intervals from leaving out one week after the"
        " other. Compare with the dry hours: their distance from 0 is the season of the period, not the effect of"
        f" rain.{hollow}"
    )
    charts.show(_draw_precipitation(frame), _title_precipitation(frame, period), note)


def _title_precipitation(frame: pl.DataFrame, period: Period) -> str:
    with_interval = frame.filter(pl.col("margin").is_not_null() & (pl.col("kind") != "dry"))
    if with_interval.is_empty():
        return f"Trips compared with the expected, by precipitation, {period}"
    row = with_interval.sort(pl.col("change").abs(), descending=True).row(0, named=True)
    change, low, high = (format_change(row["change"] + sign * row["margin"]) for sign in (0, -1, 1))
    return f"{KINDS[row['kind']]}: {change} trips compared with the expected ({low} to {high}), {period}"


def _draw_precipitation(frame: pl.DataFrame) -> go.Figure:
    figure = _make_figure(CHANGE_TITLE, "", 110 + 55 * frame.height)
    # two traces: an error bar of null would be drawn as a bar of length 0
    for has_interval, symbol in ((True, "circle"), (False, "circle-open")):
        part = frame.filter(pl.col("margin").is_not_null() == has_interval)
        widths = (100 * part["margin"]).to_list()
        figure.add_scatter(
            x=(100 * part["change"]).to_list(),
            y=[_label_kind(row) for row in part.iter_rows(named=True)],
            mode="markers",
            showlegend=False,
            marker={"color": BLUE, "size": 11, "symbol": symbol, "line": {"width": 2, "color": BLUE}},
            error_x={"array": widths, "color": BLUE, "thickness": 2, "width": 6} if has_interval else None,
            customdata=widths,
            hovertemplate=f"%{{x:+.1f}} %{' ± %{customdata:.1f}' if has_interval else ''}<extra>%{{y}}</extra>",
        )
    figure.add_vline(0, line={"color": GREY, "dash": "dot", "width": 1})
    # the order of the kinds from the top, in whichever trace they are
    names = [_label_kind(row) for row in frame.iter_rows(named=True)]
    figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed")
    margins = frame["margin"].fill_null(0)
    low, high = min(0, *(frame["change"] - margins)), max(0, *(frame["change"] + margins))
    room = 0.05 * ((high - low) or 1)
    figure.update_xaxes(range=[100 * (low - room), 100 * (high + room)])
    return figure.update_layout(margin={"t": 10})


def _label_kind(row: dict[str, Any]) -> str:
    hours, weeks = (
        f"{format_number(row[f'{unit}s'])} {unit}{'s' * (row[f'{unit}s'] != 1)}" for unit in ("hour", "week")
    )
    amounts = "" if row["kind"] == "dry" else f", {row['least_mm']:.1f} to {row['most_mm']:.1f} mm/h"
    return f"{KINDS[row['kind']]}{amounts}<br>{hours}, {weeks}"


def _show_wet_hours(warehouse: Warehouse, period: Period) -> None:
    frame = queries.get_wet_hours(warehouse, period)
    require_rows(frame, "no hour of this period has precipitation; choose another period in the sidebar")
    weighted = (pl.col("trips", "expected") * pl.col("hours")).sum() / pl.col("hours").sum()
    trips, expected = frame.select(weighted).row(0)
    series = {"Expected, from dry hours": "expected", "Hours with precipitation": "trips"}
    figure = charts.draw_hour_lines(frame, series, "Trips per hour", ",.1f trips")
    title = f"Hours with precipitation have {trips:,.1f} trips; {expected:,.1f} are expected, {period}"
    charts.show(figure, title, "Means by hour of day; expected are dry hours of the same hour and weekday.")


def _make_figure(x_title: str, y_title: str, height: int) -> go.Figure:
    figure = charts.make_figure(x_title, y_title, height, hovermode="closest")
    figure.update_xaxes(zeroline=False)
    return figure.update_yaxes(zeroline=False, rangemode="normal")
