"""Weather impact: rides by temperature and precipitation, against dry hours of the same hour and weekday."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import number_column, table_with_download
from streamlit_app.estimates import MIN_WEEKS, Curve, curve, student_t
from streamlit_app.filters import Period
from streamlit_app.formats import change, number
from streamlit_app.guard import require_table, sentences
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

AGAINST_EXPECTED = "Trips against the expected (%)"
# a day with fewer dry hours says little
DRY_HOURS = 12
STEP_C = 5
KINDS = {
    "dry": "Dry",
    "light": "Light rain",
    "moderate": "Moderate rain",
    "heavy": "Heavy rain",
    "snow": "Snow",
}
_BAND = "rgba(213, 94, 0, 0.25)"


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    loaded = queries.bounds(warehouse)
    period = filters.period(loaded)
    _what_is_compared(warehouse, period, loaded)
    with sentences(view):
        _temperature(warehouse, period)
    with sentences(view):
        _precipitation(warehouse, period)
    with sentences(view):
        _wet_hours(warehouse, period)
    with sentences(view):
        _conditions(warehouse, loaded)


def _what_is_compared(warehouse: Warehouse, period: Period, loaded: Period) -> None:
    hours = queries.compared(warehouse, period)
    if not hours["compared"]:
        raise NothingToShowError("no hour of this period can be compared; choose another in the sidebar")
    st.markdown(
        f"Each hour is compared with the mean of the dry hours of the **same hour and weekday**, so a wet commute is"
        f" not compared with a dry night. That mean, the *expected*, is over all loaded days ({loaded}), whatever the"
        f" period. It has **no season**: a cold hour also has fewer trips because it is winter, so what is shown goes"
        f" together with the weather and is not all caused by it. `notebooks/weather_impact.ipynb` holds the month"
        f" equal too."
    )
    left_out = hours["hours"] - hours["compared"]
    without = f"; {number(left_out)} without a dry hour to compare with are left out" if left_out else ""
    wet = f"{number(hours['wet'])} of them with precipitation"
    st.caption(f"{number(hours['compared'])} hours of known weather in this period, {wet}{without}.")


def _temperature(warehouse: Warehouse, period: Period) -> None:
    frame = queries.dry_days(warehouse, period, DRY_HOURS)
    if frame.is_empty():
        raise NothingToShowError(f"no day of this period has {DRY_HOURS} dry hours; choose another in the sidebar")
    found = curve(frame["temperature_c"].to_list(), frame["change"].to_list(), frame["date_local"].to_list())
    dry = (
        f"Dry hours of each day; days with fewer than {DRY_HOURS} of them are left out. Diamonds are means of the days"
        f" in steps of {STEP_C} °C."
    )
    charts.show(_scatter(frame, found), _temperature_title(frame, found, period), f"{dry} {_how_fitted(found)}")


def _temperature_title(frame: pl.DataFrame, found: Curve | None, period: Period) -> str:
    if found is None:
        return f"Trips in dry hours against the expected, by temperature, {period}"
    cold, warm = (float(frame["temperature_c"].quantile(share) or 0) for share in (0.1, 0.9))
    ends = ", ".join(f"{change(found.at(place))} at {place:.0f} °C" for place in (cold, warm))
    return f"Trips in dry hours against the expected: {ends}, {period}"


def _how_fitted(found: Curve | None) -> str:
    if found is None:
        return f"No curve: it takes {MIN_WEEKS} weeks of different temperatures; choose a longer period."
    return (
        "The curve is a natural cubic spline with four knots, least squares over the days. The band holds the mean with"
        " 95 % confidence; it comes from leaving out one week after the other, since the days of a week are alike."
        " Where diamonds of many days lie outside, the curve is too smooth."
    )


def _scatter(frame: pl.DataFrame, found: Curve | None) -> go.Figure:
    figure = _figure("Mean temperature of the dry hours (°C)", AGAINST_EXPECTED, 420)
    figure.add_scatter(
        x=frame["temperature_c"].to_list(),
        y=(100 * frame["change"]).to_list(),
        customdata=frame.select(pl.col("date_local").dt.strftime("%-d %b %Y"), "trips", "hours").rows(),
        mode="markers",
        name="A day",
        marker={"color": charts.BLUE, "size": 7, "opacity": 0.85},
        hovertemplate="%{customdata[0]}: %{y:+.0f} % at %{x:.1f} °C<br>%{customdata[1]:,} trips in %{customdata[2]}"
        " dry hours<extra></extra>",
    )
    if found is not None:
        _add_curve(figure, found)
    _add_steps(figure, step_means(frame))
    figure.add_hline(0, line={"color": charts.GREY, "dash": "dot", "width": 1})
    return figure


def _add_steps(figure: go.Figure, steps: pl.DataFrame) -> None:
    figure.add_scatter(
        x=steps["temperature_c"].to_list(),
        y=(100 * steps["change"]).to_list(),
        customdata=steps["days"].to_list(),
        mode="markers",
        name=f"Mean of {STEP_C} °C",
        marker={"color": charts.PURPLE, "size": 12, "symbol": "diamond", "line": {"color": "white", "width": 1}},
        hovertemplate="mean %{y:+.0f} % at %{x:.1f} °C, days: %{customdata}<extra></extra>",
    )


def step_means(frame: pl.DataFrame) -> pl.DataFrame:
    """Means of the days of `queries.dry_days` in steps of `STEP_C`, which take no shape for granted.

    Returns:
        A row a step, from the coldest: `temperature_c`, `change`, `days`.
    """
    steps = frame.group_by((pl.col("temperature_c") / STEP_C).floor().alias("step"))
    means = steps.agg(pl.col("temperature_c", "change").mean(), pl.len().alias("days"))
    return means.sort("step").drop("step")


def _add_curve(figure: go.Figure, found: Curve) -> None:
    x = found.x.tolist()
    figure.add_scatter(
        x=x + x[::-1],
        y=(100 * found.high).tolist() + (100 * found.low[::-1]).tolist(),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_BAND,
        name="95 % band of the mean",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=x,
        y=(100 * found.mean).tolist(),
        mode="lines",
        line={"color": charts.VERMILION, "width": 3},
        name="Mean",
        hovertemplate="mean %{y:+.0f} % at %{x:.1f} °C<extra></extra>",
    )


def _precipitation(warehouse: Warehouse, period: Period) -> None:
    frame = with_intervals(queries.kinds(warehouse, period))
    if frame.is_empty():
        raise NothingToShowError("no trips are expected in the hours of this period; choose another in the sidebar")
    bare = frame.filter(pl.col("margin").is_null()).height
    without = f" Hollow: fewer than {MIN_WEEKS} weeks, too few for an interval." if bare else ""
    note = (
        "Sums of trips by sums of expected trips, with 95 % intervals from leaving out one week after the other."
        f" Compare with the dry hours: how far they lie from 0 is the season of the period and no rain.{without}"
    )
    charts.show(_dots(frame), _precipitation_title(frame, period), note)


def with_intervals(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of `queries.kinds` with the `margin` of a 95 % interval; null with fewer than `MIN_WEEKS` weeks."""
    margins = [
        student_t(weeks - 1) * error if weeks >= MIN_WEEKS else None
        for weeks, error in frame.select("weeks", "standard_error").iter_rows()
    ]
    return frame.with_columns(pl.Series("margin", margins, dtype=pl.Float64))


def _precipitation_title(frame: pl.DataFrame, period: Period) -> str:
    sure = frame.filter(pl.col("margin").is_not_null() & (pl.col("kind") != "dry"))
    if sure.is_empty():
        return f"Trips against the expected, by precipitation, {period}"
    row = sure.sort(pl.col("change").abs(), descending=True).row(0, named=True)
    ends = f"{change(row['change'] - row['margin'])} to {change(row['change'] + row['margin'])}"
    return f"{KINDS[row['kind']]}: {change(row['change'])} trips against the expected ({ends}), {period}"


def _dots(frame: pl.DataFrame) -> go.Figure:
    figure = _figure(AGAINST_EXPECTED, "", 110 + 55 * frame.height)
    for is_sure, symbol in ((True, "circle"), (False, "circle-open")):
        part = frame.filter(pl.col("margin").is_not_null() == is_sure)
        margins = (100 * part["margin"]).to_list()
        figure.add_scatter(
            x=(100 * part["change"]).to_list(),
            y=[_label(row) for row in part.iter_rows(named=True)],
            mode="markers",
            showlegend=False,
            marker={"color": charts.BLUE, "size": 11, "symbol": symbol, "line": {"width": 2, "color": charts.BLUE}},
            error_x={"array": margins, "color": charts.BLUE, "thickness": 2, "width": 6} if is_sure else None,
            customdata=margins,
            hovertemplate=f"%{{x:+.1f}} %{' ± %{customdata:.1f}' if is_sure else ''}<extra>%{{y}}</extra>",
        )
    figure.add_vline(0, line={"color": charts.GREY, "dash": "dot", "width": 1})
    # the order of the kinds from the top, whichever trace they are in
    names = [_label(row) for row in frame.iter_rows(named=True)]
    figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed")
    figure.update_xaxes(range=_padded(frame))
    return figure.update_layout(margin={"t": 10})


def _padded(frame: pl.DataFrame) -> list[float]:
    """Per cent from the lowest to the highest end, 0 among them, with room beside."""
    ends = [
        row["change"] + sign * (row["margin"] or 0)
        for row in frame.select("change", "margin").iter_rows(named=True)
        for sign in (-1, 1)
    ]
    low, high = min(*ends, 0), max(*ends, 0)
    room = 0.05 * ((high - low) or 1)
    return [100 * (low - room), 100 * (high + room)]


def _label(row: dict[str, Any]) -> str:
    hours, weeks = (f"{number(row[name])} {name[:-1] if row[name] == 1 else name}" for name in ("hours", "weeks"))
    amounts = "" if row["kind"] == "dry" else f", {row['least_mm']:.1f} to {row['most_mm']:.1f} mm/h"
    return f"{KINDS[row['kind']]}{amounts}<br>{hours}, {weeks}"


def _wet_hours(warehouse: Warehouse, period: Period) -> None:
    frame = queries.wet_hours(warehouse, period)
    if frame.is_empty():
        raise NothingToShowError("no hour of this period has precipitation; choose another in the sidebar")
    weighted = (pl.col("trips", "expected") * pl.col("hours")).sum() / pl.col("hours").sum()
    trips, expected = frame.select(weighted).row(0)
    series = {"Expected, from dry hours": "expected", "Hours with precipitation": "trips"}
    figure = charts.lines(frame, "hour_of_day", series, "Hour of the day (New York)", "Trips per hour", ",.1f trips")
    figure.update_xaxes(dtick=3, range=[0, 23])
    title = f"Hours with precipitation have {trips:,.1f} trips where {expected:,.1f} are expected, {period}"
    charts.show(figure, title, "Means by hour of the day; expected are dry hours of the same hour and weekday.")


def _conditions(warehouse: Warehouse, loaded: Period) -> None:
    require_table(warehouse, queries.EFFECT)
    columns = {
        "condition": "Condition",
        "temperature_band": "Temperature (°C)",
        "hours": number_column("Hours"),
        "trips": number_column("Trips"),
        "trips_per_hour": number_column("Trips per hour", 1),
        "difference_from_dry": number_column("Difference from expected (trips per hour)", 1),
        "hours_compared": number_column("Hours compared"),
    }
    title = f"Conditions and temperatures, all loaded days, {loaded}"
    table_with_download(queries.conditions(warehouse), "weather-conditions", title, columns)


def _figure(x_title: str, y_title: str, height: int) -> go.Figure:
    figure = go.Figure(layout={"template": charts.TEMPLATE, "height": height, "hovermode": "closest"})
    figure.update_xaxes(title_text=x_title, zeroline=False)
    figure.update_yaxes(title_text=y_title, zeroline=False, rangemode="normal")
    return figure
