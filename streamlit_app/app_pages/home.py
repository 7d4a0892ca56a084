"""The start page: key figures with their change, what is loaded, how the last run ended."""

from typing import Literal

import polars as pl
import streamlit as st

from data_stack.publications import Publication
from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError
from streamlit_app.elements import Metric, show_metrics, show_table
from streamlit_app.formats import format_money, format_month, format_share, format_temperature, format_time
from streamlit_app.guard import find_stale_sources, require_source, show_failures, show_last_run
from streamlit_app.page import Page
from streamlit_app.queries import bike_demand, home
from streamlit_app.view import View

PAGE = Page(title="Home", icon=":material/home:", order=10)

# attributes of `home.Month`, with the direction of good news
MONEY: dict[str, Literal["up", "down"]] = {"income": "up", "spending": "down", "net": "up"}


def render(view: View) -> None:
    """Draw the page."""
    with show_failures(view):
        _show_demand(view)
    with show_failures(view):
        _show_money(view)
    publication = view.warehouse.publication
    stale = find_stale_sources(publication, (), view.settings.stale_after_days)
    frame = list_sources(publication, {state.source.name for state in stale})
    title = f"Loaded sources, published {format_time(publication.published_at_utc)}"
    show_table(frame, "loaded", title)
    show_last_run(view)


def _show_demand(view: View) -> None:
    warehouse = view.warehouse
    require_source(warehouse.publication.source_state("bike"))
    period = filters.choose_period(bike_demand.get_bounds(warehouse))
    now, before = home.get_demand(warehouse, period), home.get_demand(warehouse, period.before)
    is_comparable = now.days == before.days == period.days
    _show_demand_metrics(now, before if is_comparable else None)
    if is_comparable:
        st.caption(f"Compared with {period.before}.")
    else:
        st.caption(
            f"No comparison: {now.days} of the {period.days} chosen days and {before.days} of the {period.days} days"
            " before them are complete. Key figures are of complete days only; try a shorter period."
        )
    trend = home.get_trend(warehouse, period)
    series = {"Day": "trips", "Mean of 7 days": "week_mean"}
    figure = charts.draw_lines(trend, "date_local", series, "", "Trips per day", ",.0f trips")
    charts.show(figure, f"Trips per day, {period}", "Days that are not complete are left out.")


def _show_demand_metrics(now: home.Demand, before: home.Demand | None) -> None:
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


def _show_money(view: View) -> None:
    require_source(view.warehouse.publication.source_state("transactions"))
    now, before = home.get_last_months(view.warehouse)
    if now is None:
        raise NothingToShowError("no month of transactions is complete yet; `data-stack run` loads later exports")
    month = format_month(now.month)
    show_metrics(
        *(
            Metric(
                f"{name.capitalize()}, {month}",
                getattr(now, name),
                getattr(before, name, None),
                format_money,
                good=good,
            )
            for name, good in MONEY.items()
        )
    )
    previous = f"Compared with {format_month(before.month)}." if before else None
    st.caption(previous or "No comparison: the month before is missing or not complete.")


def list_sources(publication: Publication, stale: set[str]) -> pl.DataFrame:
    """List what a publication contains, one row per source.

    Args:
        publication: The publication.
        stale: Names of the sources without new rows for some time.
    """
    rows = [
        {
            "source": state.source.title,
            "origin": state.origin,
            "rows": state.rows,
            "data_through": state.data_through,
            "loaded_at_utc": state.loaded_at_utc,
            "state": "stale" if state.source.name in stale else "loaded" if state.rows else "nothing loaded",
        }
        for state in publication.sources
    ]
    types = {"origin": pl.String, "rows": pl.Int64, "data_through": pl.Date, "loaded_at_utc": pl.Datetime}
    return pl.DataFrame(rows, schema_overrides=types)
