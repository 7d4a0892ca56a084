"""A page that only tests show: guests by day, week or month."""

from dataclasses import asdict

from streamlit_app import charts, filters
from streamlit_app.elements import Metric, show_metrics, show_table
from streamlit_app.page import Page
from streamlit_app.queries import read_bounds
from streamlit_app.view import View

PAGE = Page(title="Visits", icon=":material/groups:", order=20, sources=("visits",))

_BOUNDS = "select min(day_utc), max(day_utc) from core.fct_visits"
_GUESTS = """
select cast(date_trunc($by, day_utc) as date) as bucket, cast(sum(guests) as bigint) as guests
from core.fct_visits
where day_utc between $first and $last
group by bucket
order by bucket
"""


def render(view: View) -> None:
    """Draw the page."""
    period = filters.choose_period(read_bounds(view.warehouse.fetch(_BOUNDS), "there is no visit"))
    frame = view.warehouse.fetch(_GUESTS, **asdict(period), by=filters.choose_granularity())
    show_metrics(Metric("Guests", frame["guests"].sum()))
    figure = charts.draw_stacked_bars(frame, "bucket", {"Guests": "guests"}, "", "Guests", ",.0f guests")
    charts.show(figure, f"Guests, {period}")
    show_table(frame, "guests", f"Guests by time, {period}")
