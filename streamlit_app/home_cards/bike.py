"""Demand of the chosen days, compared with the days before them."""

import streamlit as st

from streamlit_app import charts
from streamlit_app.data import Warehouse
from streamlit_app.elements import Metric, show_metrics
from streamlit_app.figures import Figures, fetch_figures
from streamlit_app.filters import Period
from streamlit_app.formats import format_share, format_temperature
from streamlit_app.guard import require_rows, show_failures
from streamlit_app.queries import bike_home as queries
from streamlit_app.view import View

FIGURES = ("complete_days", "trips", "trips_per_day", "member_share", "temperature_of_complete_days")

get_bounds = queries.get_bounds


def render(view: View, period: Period | None) -> None:
    """Draw the card."""
    warehouse = view.warehouse
    # says so where no day is complete
    loaded = queries.get_bounds(warehouse)
    period = period or loaded
    with show_failures(view):
        _show_key_figures(warehouse, period)
    trend = queries.get_trend(warehouse, period)
    require_rows(trend, "no day of this period is complete; choose another period in the sidebar")
    series = {"Day": "trips", "Mean of 7 days": "week_mean"}
    figure = charts.draw_lines(trend, "date_local", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day, {period}", "Days that are not complete are left out.", key="bike-trips")


def _show_key_figures(warehouse: Warehouse, period: Period) -> None:
    now, before = (fetch_figures(warehouse, FIGURES, days) for days in (period, period.before))
    days, days_before = (int(figures["complete_days"] or 0) for figures in (now, before))
    if days == days_before == period.days:
        _show_metrics(now, before)
        st.caption(f"Compared with {period.before}.")
    else:
        _show_metrics(now, {})
        st.caption(
            f"No comparison: {days} of the {period.days} chosen days and {days_before} of the {period.days} days before"
            " them are complete. Key figures are of complete days only; try a shorter period."
        )


def _show_metrics(now: Figures, before: Figures) -> None:
    trips, per_day, members, temperature = ((now[name], before.get(name)) for name in FIGURES[1:])
    known = "Trips of members divided by trips of riders of known kind"
    every_hour = "Of days with a temperature for every hour"
    show_metrics(
        Metric("Trips", *trips, good="up"),
        Metric("Trips per day", *per_day, good="up"),
        Metric("Share of members", *members, format_share, "share", note=known),
        Metric("Mean temperature", *temperature, format_temperature, "temperature", note=every_hour),
    )
