"""The start page: key figures of the sources, what is loaded, how the last run ended."""

from collections.abc import Sequence
from contextlib import suppress

import duckdb
import polars as pl

from data_stack.publications import Publication
from streamlit_app import filters, home_cards
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import show_table
from streamlit_app.filters import Period
from streamlit_app.formats import format_time
from streamlit_app.guard import find_stale_sources, require_source, show_failures, show_last_run
from streamlit_app.home_card import HomeCard, find_cards
from streamlit_app.page import Page
from streamlit_app.view import View

PAGE = Page(title="Home", icon=":material/home:", order=10)


def render(view: View) -> None:
    """Draw the page."""
    publication, cards = view.warehouse.publication, find_cards(home_cards)
    period = _choose_period(view.warehouse, cards)
    for card in cards:
        with show_failures(view):
            require_source(publication.source_state(card.source.name))
            card.render(view, period)
    stale = find_stale_sources(publication, (), view.settings.stale_after_days)
    frame = list_sources(publication, {state.source.name for state in stale})
    title = f"Loaded sources, published {format_time(publication.published_at_utc)}"
    show_table(frame, "loaded", title)
    show_last_run(view)


def _choose_period(warehouse: Warehouse, cards: Sequence[HomeCard]) -> Period | None:
    """Let the reader choose the days of all cards; None where no card has days."""
    loaded = []
    for card in cards:
        if card.get_bounds and warehouse.publication.source_state(card.source.name).rows:
            # the card itself shows why it has no days
            with suppress(NothingToShowError, duckdb.Error):
                loaded.append(card.get_bounds(warehouse))
    if not loaded:
        return None
    return filters.choose_period(Period(min(one.first for one in loaded), max(one.last for one in loaded)))


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
