"""Stations: where bikes gather and where they leave, and one station's day."""

from datetime import date
from html import escape as escape_html
from math import cos, radians
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import number_column, table_with_download
from streamlit_app.filters import Period
from streamlit_app.formats import day, escape
from streamlit_app.guard import require_table, sentences
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
# diameters of the circles, pixels
LARGEST, SMALLEST = 38, 5


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    days = queries.days(warehouse)
    period = filters.period(Period(days[-1], days[0]))
    by = filters.choice("rank", "Ranking", RANKINGS, "trips")
    with sentences(view):
        _say_what_is_left_out(warehouse, period)
        frame = queries.flows(warehouse, period, by)
        if frame.is_empty():
            raise NothingToShowError("no ride of this period has a station; choose another in the sidebar")
        with sentences(view):
            _map(frame, period)
        _ranking(frame, period, RANKINGS[by])
    with sentences(view):
        _one_station(warehouse, period, days)


def _say_what_is_left_out(warehouse: Warehouse, period: Period) -> None:
    whole = queries.complete_days(warehouse, period)
    if whole == 0:
        raise NothingToShowError(
            "no day of this period has all its departures and arrivals; choose another in the sidebar"
        )
    if whole < period.days:
        st.caption(f"{period.days - whole} of the {period.days} days are not wholly loaded and left out.")


def _map(frame: pl.DataFrame, period: Period) -> None:
    placed = frame.drop_nulls(["latitude", "longitude"])
    if placed.is_empty():
        raise NothingToShowError("no station of this period has a position, so there is no map; the table has them all")
    charts.show(station_map(placed), _map_title(frame, period), _map_note(frame.height - placed.height))


def _map_title(frame: pl.DataFrame, period: Period) -> str:
    names = frame.sort("net_flow_per_day").select("station_name", "net_flow_per_day").rows()
    (loser, low), (gainer, high) = names[0], names[-1]
    gains = [f"{escape(gainer)} gains {high:.1f} bikes a day"] if high > 0 else []
    loses = [f"{escape(loser)} loses {-low:.1f}{'' if gains else ' bikes a day'}"] if low < 0 else []
    return f"{', '.join(gains + loses) or 'Every station gains as many bikes as it loses'}, {period}"


def _map_note(without: int) -> str:
    lacking = {0: "", 1: " 1 station has no position and is in the table only."}
    more = f" {without} stations have no position and are in the table only."
    return (
        "Net flow is arrivals minus departures; bikes that vans move are in neither. The area of a circle is departures"
        f" plus arrivals; north is up, distances are true to scale.{lacking.get(without, more)}"
    )


def station_map(frame: pl.DataFrame) -> go.Figure:
    """Stations as circles on longitude and latitude; no tiles, so nothing is asked of the network.

    Args:
        frame: Rows of `queries.flows` with a position.
    """
    # the largest first, so that it does not hide the others
    frame = frame.sort(pl.col("departures") + pl.col("arrivals"), descending=True)
    figure = go.Figure(layout={"template": charts.TEMPLATE, "height": 620, "hovermode": "closest"})
    figure.add_scatter(
        x=frame["longitude"].to_list(),
        y=frame["latitude"].to_list(),
        mode="markers",
        customdata=_hover_rows(frame),
        marker=_circles((frame["departures"] + frame["arrivals"]).to_list(), frame["net_flow_per_day"].to_list()),
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:+.1f} bikes per day<br>"
        "%{customdata[2]:,.1f} departures, %{customdata[3]:,.1f} arrivals per day<extra></extra>",
    )
    return _to_scale(figure, sum(frame["latitude"]) / frame.height)


def _circles(trips: list[int], net_flow: list[float]) -> dict[str, Any]:
    # as far to either side, so that grey is 0
    furthest = max(map(abs, net_flow)) or 1
    return {
        "size": trips,
        "sizemode": "area",
        "sizeref": 2 * max(*trips, 1) / LARGEST**2,
        "sizemin": SMALLEST,
        "color": net_flow,
        "colorscale": charts.DIVERGING,
        "cmin": -furthest,
        "cmax": furthest,
        "opacity": 0.9,
        "line": {"color": charts.GREY, "width": 1},
        "colorbar": {
            "title": {"text": "Net flow<br>(bikes per day)<br> ", "side": "top"},
            "thickness": 12,
            "tickformat": ".2~g",
            "outlinewidth": 0,
        },
    }


def _hover_rows(frame: pl.DataFrame) -> list[tuple[str, float, float, float]]:
    # the hover text reads tags, and a name comes from the data
    columns = ("station_name", "net_flow_per_day", "departures_per_day", "arrivals_per_day")
    return [(escape_html(name), *figures) for name, *figures in frame.select(columns).iter_rows()]


def _to_scale(figure: go.Figure, latitude: float) -> go.Figure:
    """A degree of latitude is longer than one of longitude, but at the equator."""
    figure.update_xaxes(title_text="Longitude (°)", tickformat=".2f", zeroline=False, showgrid=False)
    return figure.update_yaxes(
        title_text="Latitude (°)",
        tickformat=".2f",
        zeroline=False,
        showgrid=False,
        rangemode="normal",
        scaleanchor="x",
        scaleratio=1 / cos(radians(latitude)),
    )


def _ranking(frame: pl.DataFrame, period: Period, ranking: str) -> None:
    columns = {
        "place": number_column("Place"),
        "station_id": "Identifier",
        "station_name": "Station",
        "departures": number_column("Departures"),
        "arrivals": number_column("Arrivals"),
        "net_flow": number_column("Net flow"),
        "net_flow_per_day": number_column("Net flow per day", 1),
        # in the download
        **dict.fromkeys(("departures_per_day", "arrivals_per_day", "latitude", "longitude")),
    }
    table_with_download(frame, "stations", f"Stations, {ranking.lower()}, {period}", columns, height=320)


def _one_station(warehouse: Warehouse, period: Period, days: list[date]) -> None:
    require_table(warehouse, queries.TRIPS)
    names = queries.names(warehouse)
    busiest = queries.flows(warehouse, Period(days[-1], days[0]), "trips")["station_id"]
    if busiest.is_empty():
        raise NothingToShowError("no ride of a whole day has a station; `data-stack run` loads more months")
    labels = {station: f"{name} ({station})" for station, name in names.items()}
    station = filters.choice("station", "Station", labels, busiest[0])
    means = {kind: f"Mean {words}" for kind, words in KINDS.items()}
    chosen_days = {f"{one}": f"{one:%a} {day(one)}" for one in days}
    chosen = filters.choice("day", "Day of the station", means | chosen_days, "weekdays")
    if chosen in KINDS:
        _mean_day(warehouse, station, names[station], period, chosen)
    else:
        _chosen_day(warehouse, station, names[station], date.fromisoformat(chosen))


def _mean_day(warehouse: Warehouse, station: str, name: str, period: Period, kind: str) -> None:
    frame = queries.hours(warehouse, station, period, kind)
    if frame.is_empty():
        raise NothingToShowError(f"no {KINDS[kind]} of this period is wholly loaded; choose another in the sidebar")
    title = f"{escape(name)}: {frame['departures'].sum():,.1f} departures and {frame['arrivals'].sum():,.1f} arrivals"
    note = f"Means over the wholly loaded days of this kind, of which there are {frame['days'][0]:,}."
    charts.show(_hours(frame, ",.2f rides"), f"{title} on a mean {KINDS[kind]}, {period}", note)


def _chosen_day(warehouse: Warehouse, station: str, name: str, chosen: date) -> None:
    frame = queries.hours(warehouse, station, Period(chosen, chosen), "all")
    departures, arrivals = (int(frame[column].sum()) for column in ("departures", "arrivals"))
    title = f"{escape(name)}: {departures:,} departures and {arrivals:,} arrivals on {chosen:%A}, {day(chosen)}"
    charts.show(_hours(frame, ",.0f rides"), title)


def _hours(frame: pl.DataFrame, hover: str) -> go.Figure:
    series = {"Departures": "departures", "Arrivals": "arrivals"}
    figure = charts.lines(frame, "hour_of_day", series, "Hour of the day (New York)", "Rides per hour", hover)
    return figure.update_xaxes(dtick=3, range=[0, 23])
