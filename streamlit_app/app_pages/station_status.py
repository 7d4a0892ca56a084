"""Empty and full stations: where riders find no bike or no free dock, and one station's day."""

from datetime import date

import plotly.graph_objects as go
import polars as pl

from streamlit_app import charts, filters
from streamlit_app.data import Warehouse
from streamlit_app.elements import Metric, show_metrics, show_table
from streamlit_app.figures import fetch_figures
from streamlit_app.filters import Period
from streamlit_app.formats import escape_markdown, format_day, format_number, format_share
from streamlit_app.guard import require_rows, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import station_status as queries
from streamlit_app.view import View

PAGE = Page(
    title="Empty and full stations",
    icon=":material/local_parking:",
    order=45,
    sources=("station_status",),
    tables=(queries.AVAILABILITY,),
)

RANKINGS = {
    "empty": "Most empty minutes first",
    "full": "Most full minutes first",
    "empty_share": "Largest empty share first",
    "full_share": "Largest full share first",
}
FIGURES = ("observed_stations", "observed_minutes", "empty_share", "full_share")
FIRST, LATEST = "", ""
STATION_COLUMNS = {
    "station_id": "Station",
    "empty_share": "Empty (of observed)",
    "full_share": "Full (of observed)",
    "observed_share": "Observed (of the days)",
}
SERIES = {"Bikes": "bikes", "Free docks": "docks"}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    period = filters.choose_period(queries.get_bounds(warehouse))
    by = filters.choose("rank", "Ranking", RANKINGS, "empty")
    ranking = queries.get_ranking(warehouse, period, by)
    require_rows(ranking, "no station is observed in this period; choose another period in the sidebar")
    with show_failures(view):
        _show_key_figures(warehouse, period)
    title = f"Stations, {RANKINGS[by].lower()}, {period}"
    show_table(ranking, "station-status", title, STATION_COLUMNS, decimals=0, height=320)
    with show_failures(view):
        _show_station(warehouse, ranking["station_id"].to_list(), period)


def _show_key_figures(warehouse: Warehouse, period: Period) -> None:
    figures = fetch_figures(warehouse, FIGURES, period)
    stations, observed, empty, full = (figures[name] for name in FIGURES)
    show_metrics(
        Metric("Stations", stations, note="With an observed minute"),
        Metric(
            "Observed minutes",
            observed,
            note="A report holds until the next one, for an hour at most; otherwise the state is unknown",
        ),
        Metric("Empty", empty, show=format_share, note="Observed minutes in service without a bike"),
        Metric("Full", full, show=format_share, note="Observed minutes in service without a free dock"),
    )


def _show_station(warehouse: Warehouse, ranked: list[str], period: Period) -> None:
    names = {station: station for station in sorted(ranked)}
    # not the first by its name: a default is left out of the URL, and the next publication can have another
    chosen = filters.choose("station", "Station", {FIRST: "First of the ranking"} | names, FIRST)
    station = chosen or ranked[0]
    days = queries.list_days(warehouse, station, period)
    labels = {f"{day}": f"{day:%a} {format_day(day)}" for day in days}
    day_or_latest = filters.choose("day", "Day of the station", {LATEST: "Latest day"} | labels, LATEST)
    day = date.fromisoformat(day_or_latest) if day_or_latest else days[0]
    reports = queries.get_reports(warehouse, station, day)
    minutes = queries.get_ranking(warehouse, Period(day, day), "empty").row(
        by_predicate=pl.col("station_id") == station, named=True
    )
    title = (
        f"{escape_markdown(station)}: empty for {format_number(minutes['empty_minutes'])} and full for"
        f" {format_number(minutes['full_minutes'])} of {format_number(minutes['observed_minutes'])} observed minutes,"
        f" {day:%A}, {format_day(day)}"
    )
    charts.show(draw_day(reports), title, "A gap has no report: the state is unknown.")


def draw_day(reports: pl.DataFrame) -> go.Figure:
    """Draw the bikes and the free docks of a day as steps, with a gap where no report holds.

    Args:
        reports: Rows of `queries.get_reports`.
    """
    numbered = reports.with_row_index("report")
    begins = numbered.select("report", "bikes", "docks", time="begins_at_local", step=0)
    ends = numbered.select("report", "bikes", "docks", time="ends_at_local", step=1)
    is_gap = pl.col("begins_at_local").shift(-1) != pl.col("ends_at_local")
    gaps = numbered.filter(is_gap).select("report", bikes=None, docks=None, time="ends_at_local", step=2)
    ordered = pl.concat([begins, ends, gaps], how="vertical_relaxed").sort("report", "step")
    return charts.draw_lines(ordered, "time", SERIES, "Time of day (New York)", "Bikes, free docks", ",.0f")
