"""A second page that only tests show, with the period of the first one."""

from streamlit_app import filters
from streamlit_app.page import Page
from streamlit_app.queries import read_bounds
from streamlit_app.view import View

PAGE = Page(title="Visitors", icon=":material/groups:", order=20, sources=("visits",))

_BOUNDS = "select min(day_utc), max(day_utc) from core.fct_visits"


def render(view: View) -> None:
    """Draw the page."""
    filters.choose_period(read_bounds(view.warehouse.fetch(_BOUNDS), "there is no visit"))
