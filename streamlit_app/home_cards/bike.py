"""Demand of the chosen days, compared with the days before them."""

import streamlit as st

from streamlit_app import charts
from streamlit_app.elements import Metric, show_metrics
from streamlit_app.filters import Period
from streamlit_app.formats import format_share, format_temperature
from streamlit_app.guard import require_rows
from streamlit_app.queries import bike_home as queries
from streamlit_app.view import View

get_bounds = queries.get_bounds


def render(view: View, period: Period | None) -> None:
    """Draw the card."""
    warehouse = view.warehouse
    # says so where no day is complete
    loaded = queries.get_bounds(warehouse)
    period = period or loaded
    now, before = queries.get_demand(warehouse, period), queries.get_demand(warehouse, period.before)
    is_comparable = now.days == before.days == period.days
    _show_metrics(now, before if is_comparable else None)
    if is_comparable:
        st.caption(f"Compared with {period.before}.")
    else:
        st.caption(
            f"No comparison: {now.days} of the {period.days} chosen days and {before.days} of the {period.days} days"
            " before them are complete. Key figures are of complete days only; try a shorter period."
        )
    trend = queries.get_trend(warehouse, period)
    require_rows(trend, "no day of this period is complete; choose another period in the sidebar")
    series = {"Day": "trips", "Mean of 7 days": "week_mean"}
    figure = charts.draw_lines(trend, "date_local", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day, {period}", "Days that are not complete are left out.", key="bike-trips")


def _show_metrics(now: queries.Demand, before: queries.Demand | None) -> None:
    trips, per_day, members, temperature = (
        (getattr(now, name), getattr(before, name, None))
        for name in ("trips", "trips_per_day", "member_share", "temperature_c")
    )
    known = "Trips of members divided by trips of riders of known kind"
    every_hour = "Of days with a temperature for every hour"
    show_metrics(
        Metric("Trips", *trips, good="up"),
        Metric("Trips per day", *per_day, good="up"),
        Metric("Share of members", *members, format_share, "share", note=known),
        Metric("Mean temperature", *temperature, format_temperature, "temperature", note=every_hour),
    )
