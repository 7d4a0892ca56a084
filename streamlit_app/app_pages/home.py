"""The start page: key figures with their change, what is loaded, how the last run ended."""

from typing import Any

import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Publication
from streamlit_app.elements import day_column, metric_with_change, moment_column, number_column, table_with_download
from streamlit_app.filters import Period
from streamlit_app.formats import degrees, moment, money, month, share
from streamlit_app.guard import require_rows, sentences, show_last_run, stale_sources
from streamlit_app.page import Page
from streamlit_app.queries import bike_demand, home
from streamlit_app.view import View

PAGE = Page(title="Home", icon=":material/home:", order=10)

# label, attribute of `home.Figures`, how it is shown
FIGURES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Trips", "trips", {"good": "up"}),
    ("Trips per day", "trips_per_day", {"good": "up"}),
    (
        "Share of members",
        "member_share",
        {"show": share, "change": "points", "note": "Trips of members, by trips of riders of known kind"},
    ),
    ("Mean temperature", "temperature_c", {"show": degrees, "change": "degrees", "note": "Where every hour is known"}),
)
# label, attribute of `home.Month`, which way is good news
MONEY: tuple[tuple[str, str, Any], ...] = (
    ("Income", "income", "up"),
    ("Spending", "spending", "down"),
    ("Net", "net", "up"),
)


def render(view: View) -> None:
    """Draw the page."""
    with sentences(view):
        _demand(view)
    with sentences(view):
        _money(view)
    _loaded(view)
    show_last_run(view)


def _demand(view: View) -> None:
    warehouse = view.warehouse
    require_rows(warehouse.publication.source("bike"))
    period = filters.period(bike_demand.bounds(warehouse))
    now, before = home.figures(warehouse, period), home.figures(warehouse, period.before)
    is_whole = now.days == period.days and before.days == period.days
    _figures(now, before if is_whole else None)
    st.caption(f"Compared with {period.before}." if is_whole else _why_no_comparison(now, before, period))
    trend = home.trend(warehouse, period)
    figure = charts.lines(
        trend, "date_local", {"Day": "trips", "Mean of 7 days": "week_mean"}, "", "Trips per day", ",.0f trips"
    )
    charts.show(figure, f"Trips per day, {period}", "Days that are not wholly loaded are left out.")


def _figures(now: home.Figures, before: home.Figures | None) -> None:
    for column, (label, name, options) in zip(st.columns(len(FIGURES)), FIGURES, strict=True):
        with column:
            metric_with_change(label, getattr(now, name), getattr(before, name, None), **options)


def _why_no_comparison(now: home.Figures, before: home.Figures, period: Period) -> str:
    return (
        f"No comparison: of the {period.days} days chosen {now.days} are wholly loaded, of the {period.days} days"
        f" before {before.days}. Figures are of wholly loaded days only; a shorter period may compare."
    )


def _money(view: View) -> None:
    warehouse = view.warehouse
    require_rows(warehouse.publication.source("transactions"))
    now, before = home.last_months(warehouse)
    if now is None:
        raise NothingToShowError("no month of transactions is whole yet; `data-stack run` loads later exports")
    for column, (label, name, good) in zip(st.columns(len(MONEY)), MONEY, strict=True):
        with column:
            words, was = f"{label}, {month(now.month)}", getattr(before, name, None)
            metric_with_change(words, getattr(now, name), was, money, good=good)
    st.caption(f"Compared with {month(before.month)}." if before else "No comparison: the month before is not loaded.")


def _loaded(view: View) -> None:
    publication = view.warehouse.publication
    stale = stale_sources(publication, (), view.settings.stale_after_days)
    frame = loaded(publication, {state.source.name for state in stale})
    title = f"What is loaded, published {moment(publication.published_at_utc)}"
    columns = {
        "source": "Source",
        "origin": "Origin",
        "rows": number_column("Rows"),
        "data_through": day_column("Data through"),
        "loaded_at_utc": moment_column("Loaded (UTC)"),
        "state": "State",
    }
    table_with_download(frame, "loaded", title, columns)


def loaded(publication: Publication, stale: set[str]) -> pl.DataFrame:
    """What a publication has, a row a source.

    Args:
        publication: The publication.
        stale: Names of sources that nothing new was loaded of for some time.
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
    kinds = {"origin": pl.String, "rows": pl.Int64, "data_through": pl.Date, "loaded_at_utc": pl.Datetime}
    return pl.DataFrame(rows, schema_overrides=kinds)
