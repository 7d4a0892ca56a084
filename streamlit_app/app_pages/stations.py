"""Stations: which ones gain and lose bikes, and one station's day."""

from datetime import date
from html import escape as escape_html
from math import cos, radians
from typing import Any

import plotly.graph_objects as go
import polars as pl

from data_stack.palette import DIVERGING, GREY
from streamlit_app import charts, filters
from streamlit_app.data import Warehouse
from streamlit_app.elements import show_table
from streamlit_app.filters import Period
from streamlit_app.formats import escape_markdown, format_day
from streamlit_app.guard import require_complete_days, require_rows, require_table, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import stations as queries
from streamlit_app.view import View

PAGE = Page(
    title="Stations",
    icon=":material/map:",
    order=40,
    sources=("bike",),
    tables=(queries.FLOW, queries.STATIONS, queries.COVERAGE),
)

RANKINGS = {"trips": "Busiest first", "gains": "Gaining bikes first", "losses": "Losing bikes first"}
KINDS = {"weekdays": "day from Monday to Friday", "weekends": "Saturday or Sunday"}
BUSIEST = ""
# diameters of the circles in pixels
LARGEST, SMALLEST = 38, 5
STATION_COLUMNS = {
    "station_id": "Identifier",
    "station_name": "Station",
    # only in the download
    **dict.fromkeys(("departures_per_day", "arrivals_per_day", "latitude", "longitude")),
}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    days = queries.list_days(warehouse)
    period = filters.choose_period(Period(days[-1], days[0]))
    by = filters.choose("rank", "Ranking", RANKINGS, "trips")
    with show_failures(view):
        require_complete_days(sum(period.first <= day <= period.last for day in days), period)
        frame = queries.get_flows(warehouse, period, by)
        require_rows(frame, "no ride of this period has a station; choose another period in the sidebar")
        with show_failures(view):
            _show_map(frame, period)
        title = f"Stations, {RANKINGS[by].lower()}, {period}"
        show_table(frame, "stations", title, STATION_COLUMNS, height=320)
    with show_failures(view):
        _show_station(warehouse, period, days)


def _show_map(frame: pl.DataFrame, period: Period) -> None:
    placed = frame.drop_nulls(["latitude", "longitude"])
    require_rows(placed, "no station of this period has a position, so there is no map; the table has them all")
    without = frame.height - placed.height
    has = "1 station has" if without == 1 else f"{without} stations have"
    missing = f" {has} no position and can only be found in the table." if without else ""
    note = (
        "Net flow is arrivals minus departures, without bikes that are moved by vans. The area of a circle is"
        f" departures plus arrivals; north is up, distances are true to scale.{missing}"
    )
    charts.show(draw_station_map(placed), _title_map(frame, period), note)


def _title_map(frame: pl.DataFrame, period: Period) -> str:
    names = frame.sort("net_flow_per_day").select("station_name", "net_flow_per_day").rows()
    (loser, low), (gainer, high) = names[0], names[-1]
    changes = [f"{escape_markdown(gainer)} gains {high:.1f} bikes per day"] if high > 0 else []
    changes += [f"{escape_markdown(loser)} loses {-low:.1f} bikes per day"] if low < 0 else []
    return f"{', '.join(changes) or 'Every station gains as many bikes as it loses'}, {period}"


def draw_station_map(frame: pl.DataFrame) -> go.Figure:
    """Draw stations as circles on longitude and latitude; there are no map tiles, so nothing is fetched.

    Args:
        frame: Rows of `queries.get_flows` with a position.
    """
    # the largest first, so that it does not hide the others
    frame = frame.sort(pl.col("departures") + pl.col("arrivals"), descending=True)
    hover = frame.select("station_name", "net_flow_per_day", "departures_per_day", "arrivals_per_day").rows()
    figure = charts.make_figure("Longitude (°)", "Latitude (°)", 620, hovermode="closest")
    figure.add_scatter(
        x=frame["longitude"].to_list(),
        y=frame["latitude"].to_list(),
        mode="markers",
        # the hover text is a kind of HTML, and names come from the data
        customdata=[(escape_html(name), *means) for name, *means in hover],
        marker=_style_circles((frame["departures"] + frame["arrivals"]).to_list(), frame["net_flow_per_day"].to_list()),
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:+.1f} bikes per day<br>"
        "%{customdata[2]:,.1f} departures, %{customdata[3]:,.1f} arrivals per day<extra></extra>",
    )
    figure.update_xaxes(tickformat=".2f", zeroline=False, showgrid=False)
    figure.update_yaxes(tickformat=".2f", zeroline=False, showgrid=False, rangemode="normal")
    # true to scale: one degree of latitude is longer than one of longitude
    middle = sum(frame["latitude"]) / frame.height
    return figure.update_yaxes(scaleanchor="x", scaleratio=1 / cos(radians(middle)))


def _style_circles(trips: list[int], net_flow: list[float]) -> dict[str, Any]:
    # the same distance to both sides, so that grey is 0
    furthest = max(map(abs, net_flow)) or 1
    return {
        "size": trips,
        "sizemode": "area",
        "sizeref": 2 * max(*trips, 1) / LARGEST**2,
        "sizemin": SMALLEST,
        "color": net_flow,
        "colorscale": DIVERGING,
        "cmin": -furthest,
        "cmax": furthest,
        "opacity": 0.9,
        "line": {"color": GREY, "width": 1},
        "colorbar": {
            "title": {"text": "Net flow<br>(bikes per day)<br> ", "side": "top"},
            "thickness": 12,
            "tickformat": ".2~g",
            "outlinewidth": 0,
        },
    }


def _show_station(warehouse: Warehouse, period: Period, days: list[date]) -> None:
    require_table(warehouse, queries.TRIPS)
    names = queries.get_names(warehouse)
    flows = queries.get_flows(warehouse, Period(days[-1], days[0]), "trips")
    require_rows(flows, "no ride of a complete day has a station; `data-stack run` loads more months")
    labels = {station: f"{name} ({station})" for station, name in names.items()}
    # not the busiest station by its name: a default is left out of the URL, and the next publication can have another
    chosen = filters.choose("station", "Station", {BUSIEST: "Busiest station"} | labels, BUSIEST)
    station = chosen or flows["station_id"][0]
    means = {kind: f"Mean {name}" for kind, name in KINDS.items()}
    single = {f"{day}": f"{day:%a} {format_day(day)}" for day in days}
    day_or_kind = filters.choose("day", "Day of the station", means | single, "weekdays")
    name = escape_markdown(names[station])
    if day_or_kind in KINDS:
        _show_mean_day(queries.get_hours(warehouse, station, period, day_or_kind), name, KINDS[day_or_kind], period)
    else:
        day = date.fromisoformat(day_or_kind)
        frame = queries.get_hours(warehouse, station, Period(day, day), "all")
        departures, arrivals = frame["departures"].sum(), frame["arrivals"].sum()
        title = f"{name}: {departures:.0f} departures and {arrivals:.0f} arrivals on {day:%A}, {format_day(day)}"
        _show_hours(frame, ",.0f rides", title)


def _show_mean_day(frame: pl.DataFrame, name: str, kind: str, period: Period) -> None:
    require_rows(frame, f"no {kind} of this period is complete; choose another period in the sidebar")
    title = f"{name}: {frame['departures'].sum():,.1f} departures and {frame['arrivals'].sum():,.1f} arrivals"
    _show_hours(
        frame, ",.2f rides", f"{title} on a mean {kind}, {period}", f"Means over {frame['days'][0]:,} complete days."
    )


def _show_hours(frame: pl.DataFrame, hover: str, title: str, note: str = "") -> None:
    series = {"Departures": "departures", "Arrivals": "arrivals"}
    charts.show(charts.draw_hour_lines(frame, series, "Rides per hour", hover), title, note)
