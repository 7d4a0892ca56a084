"""Stations: the queries on values worked out by hand, the map's scale, the page on the demo and with gaps."""

import json
from datetime import date, datetime
from typing import Any

import pytest
from app_support import assert_no_failure, days, open_page, publication_of, publish_rows, read_text
from sources.bike.pages import rides
from streamlit.testing.v1 import AppTest

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.stations import draw_station_map
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import stations as queries

# Monday 1 January to Sunday 7 January 2024
WEEK = Period(date(2024, 1, 1), date(2024, 1, 7))


def covered(day: str, is_complete: bool = True, arrivals: bool = True) -> dict[str, Any]:
    return {
        "date_local": date.fromisoformat(day),
        "is_complete": is_complete,
        "is_complete_for_arrivals": arrivals,
    }


def flow(station: str, day: str, departures: int, arrivals: int, is_complete: bool = True) -> dict[str, Any]:
    return {
        "station_id": station,
        "date_local": date.fromisoformat(day),
        "departures": departures,
        "arrivals": arrivals,
        "is_complete": is_complete,
    }


def ride(begin: str, start: str, end: str, to: str) -> dict[str, Any]:
    started = datetime.fromisoformat(begin)
    return {
        "ride_id": begin,
        "date_local": started.date(),
        "started_at_local": started,
        "start_station_id": start,
        "ended_at_local": datetime.fromisoformat(end),
        "end_station_id": to,
    }


STATIONS = [
    {"station_id": "a", "station_name": "Ahead *St*", "latitude": 40.7, "longitude": -74.0},
    {"station_id": "b", "station_name": "Back St", "latitude": 40.8, "longitude": -74.1},
    {"station_id": "c", "station_name": None, "latitude": None, "longitude": None},
]
ROWS = {
    # Monday, Tuesday and Saturday are complete; the arrivals of Wednesday are missing
    queries.COVERAGE: [
        covered("2024-01-01"),
        covered("2024-01-02"),
        covered("2024-01-03", arrivals=False),
        covered("2024-01-06"),
    ],
    queries.STATIONS: STATIONS,
    queries.FLOW: [
        flow("a", "2024-01-01", 1, 6),
        flow("a", "2024-01-02", 2, 3),
        flow("a", "2024-01-03", 900, 0, is_complete=False),
        flow("b", "2024-01-01", 9, 0),
        flow("c", "2024-01-06", 1, 1),
    ],
    queries.TRIPS: [
        ride("2024-01-01 08:10", "a", "2024-01-01 09:05", "b"),
        ride("2024-01-01 08:20", "a", "2024-01-01 08:40", "a"),
        ride("2024-01-02 23:50", "a", "2024-01-03 00:10", "a"),
        ride("2024-01-06 08:00", "b", "2024-01-06 08:30", "a"),
    ],
}


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    return publication_of(shared, ROWS)


@pytest.fixture
def on_rows(warehouse: Warehouse, shared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page reads the publication of `warehouse`."""
    monkeypatch.setenv("DATA_DIR", str(shared.data_dir))


def hours(warehouse: Warehouse, period: Period, kind: str) -> dict[int, tuple[float, float]]:
    """Departures and arrivals of station a, where there are any."""
    rows = queries.get_hours(warehouse, "a", period, kind).rows()
    assert [row[0] for row in rows] == list(range(24))
    return {hour: (departures, arrivals) for hour, departures, arrivals, _ in rows if departures or arrivals}


def test_days_are_complete_for_both_ends(warehouse: Warehouse) -> None:
    assert queries.list_days(warehouse) == [date(2024, 1, 6), date(2024, 1, 2), date(2024, 1, 1)]


def test_no_complete_day_is_a_message(settings: Settings) -> None:
    with pytest.raises(NothingToShowError, match="no day has all its departures and arrivals yet"):
        queries.list_days(publication_of(settings, {queries.COVERAGE: [covered("2024-01-01", is_complete=False)]}))


def test_flows_are_sums_and_means_over_all_complete_days(warehouse: Warehouse) -> None:
    frame = queries.get_flows(warehouse, WEEK, "trips")
    assert frame.select("place", "station_id", "station_name", "departures", "arrivals", "net_flow").rows() == [
        (1, "a", "Ahead *St*", 3, 9, 6),
        (2, "b", "Back St", 9, 0, -9),
        (3, "c", "c", 1, 1, 0),
    ]
    # three days, also for a station that had rides on one of them
    assert frame["net_flow_per_day"].to_list() == [2.0, -3.0, 0.0]
    assert frame["departures_per_day"].to_list() == [1.0, 3.0, pytest.approx(1 / 3)]
    assert frame.select("latitude", "longitude").rows()[1:] == [(40.8, -74.1), (None, None)]


def test_rankings_and_a_shared_place(warehouse: Warehouse, settings: Settings) -> None:
    assert queries.get_flows(warehouse, WEEK, "gains")["station_id"].to_list() == ["a", "c", "b"]
    assert queries.get_flows(warehouse, WEEK, "losses")["station_id"].to_list() == ["b", "c", "a"]
    monday = Period(date(2024, 1, 1), date(2024, 1, 1))
    assert queries.get_flows(warehouse, monday, "trips").select("place", "station_id").rows() == [(1, "b"), (2, "a")]
    equal = {queries.COVERAGE: [covered("2024-01-01")], queries.FLOW: [flow(name, "2024-01-01", 1, 1) for name in "ba"]}
    shared = queries.get_flows(publication_of(settings, equal), WEEK, "trips")
    assert shared.select("place", "station_id").rows() == [(1, "a"), (1, "b")]


def test_one_stations_day_counts_ends_where_they_end(warehouse: Warehouse) -> None:
    monday = Period(date(2024, 1, 1), date(2024, 1, 1))
    assert hours(warehouse, monday, "all") == {8: (2.0, 1.0)}
    # over Monday and Tuesday; the ride that ended on Wednesday is an arrival of an incomplete day
    assert hours(warehouse, WEEK, "weekdays") == {8: (1.0, 0.5), 23: (0.5, 0.0)}
    assert hours(warehouse, WEEK, "weekends") == {8: (0.0, 1.0)}
    assert queries.get_hours(warehouse, "a", WEEK, "weekdays")["days"].unique().to_list() == [2]
    assert queries.get_hours(warehouse, "a", monday, "weekends").is_empty()


def test_a_station_is_bound_and_no_sql(warehouse: Warehouse) -> None:
    frame = queries.get_hours(warehouse, "a' or '1'='1", WEEK, "all")
    assert (frame["departures"].sum(), frame["arrivals"].sum()) == (0, 0)


def test_the_map_is_to_scale_and_asks_no_tile_server(warehouse: Warehouse) -> None:
    frame = queries.get_flows(warehouse, WEEK, "trips").drop_nulls("latitude")
    drawn = json.loads(draw_station_map(frame).to_json())
    (trace,) = drawn["data"]
    assert trace["type"] == "scatter"
    # at 40.75 degrees a degree of latitude is 1 / cos(40.75 degrees) times as long as one of longitude
    assert drawn["layout"]["yaxis"]["scaleratio"] == pytest.approx(1.32, abs=0.001)
    assert (trace["marker"]["cmin"], trace["marker"]["cmax"]) == (-3, 3)
    assert trace["marker"]["size"] == [12, 9]


def test_the_map_shows_names_as_they_are(warehouse: Warehouse) -> None:
    frame = queries.get_flows(warehouse, WEEK, "trips").drop_nulls("latitude")
    named = frame.with_columns(station_name=frame["station_name"] + "<b>")
    assert draw_station_map(named).data[0].customdata[0][0] == "Ahead *St*&lt;b&gt;"


def test_a_station_without_position_is_reported(on_rows: None) -> None:
    app = open_page("stations", period="All days")
    assert_no_failure(app)
    said = read_text(app)
    assert "Ahead \\*St\\* gains 2.0 bikes per day, Back St loses 3.0 bikes per day, 1 Jan 2024 to 6 Jan 2024" in said
    assert "3 of the 6 days are not complete and are left out of the charts." in said
    assert "1 station has no position and can only be found in the table." in said
    assert len(app.dataframe[0].value) == 3


def test_no_station_has_a_position(settings: Settings) -> None:
    nowhere = [{**row, "latitude": None, "longitude": None} for row in STATIONS]
    publish_rows(settings, ROWS | {queries.STATIONS: nowhere})
    app = open_page("stations", period="All days")
    assert_no_failure(app)
    assert "No station of this period has a position, so there is no map; the table has them all." in read_text(app)
    assert (len(app.get("plotly_chart")), len(app.dataframe)) == (1, 1)


def test_a_day_of_a_station_is_chosen(on_rows: None) -> None:
    app = open_page("stations", period="All days", station="Ahead *St* (a)", day="Sat 6 Jan 2024")
    assert_no_failure(app)
    assert "Ahead \\*St\\*: 0 departures and 1 arrivals on Saturday, 6 Jan 2024" in read_text(app)
    app.sidebar.selectbox(key="day").select("weekdays").run()
    assert "Ahead \\*St\\*: 1.5 departures and 0.5 arrivals on a mean day from Monday to Friday" in read_text(app)
    assert "Means over 2 complete days." in read_text(app)


def test_a_period_without_a_weekend_says_so(on_rows: None) -> None:
    app = open_page("stations", day="Mean Saturday or Sunday", **days("2024-01-01", "2024-01-02"))
    assert_no_failure(app)
    assert "No Saturday or Sunday of this period is complete; choose another period in the sidebar." in read_text(app)
    assert len(app.dataframe) == 1


def test_a_period_without_a_complete_day_says_so(on_rows: None) -> None:
    app = open_page("stations", **days("2024-01-03", "2024-01-05"))
    assert_no_failure(app)
    assert "No day of this period is complete; choose another period in the sidebar." in read_text(app)


def test_rides_without_a_station(settings: Settings) -> None:
    publish_rows(settings, {queries.COVERAGE: [covered("2024-01-01")], queries.TRIPS: rides("2024-01-01")})
    app = open_page("stations")
    assert_no_failure(app)
    assert "No ride of this period has a station" in read_text(app)
    assert not app.get("plotly_chart")


def test_a_url_with_garbage_shows_the_busiest_station(on_rows: None) -> None:
    app = open_page("stations", period="All days", station="<script>", day="never")
    assert_no_failure(app)
    assert "Station: the URL contains a value that is invalid or not loaded. It is ignored." in read_text(app)
    assert app.sidebar.selectbox(key="station").value == ""
    assert "Ahead \\*St\\*: " in read_text(app)


def table(app: AppTest) -> Any:
    assert_no_failure(app)
    return app.dataframe[0].value


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    shown = table(open_page("stations", **days("2024-06-01", "2024-06-30")))
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute(
            "select sum(departures), sum(arrivals), count(distinct station_id) from marts.mart_station_flow_daily"
            " where date_local between '2024-06-01' and '2024-06-30' and is_complete"
        ).fetchone()
    assert (shown["departures"].sum(), shown["arrivals"].sum(), len(shown)) == expected


@pytest.mark.slow
def test_another_ranking_changes_the_table(on_demo: Settings) -> None:
    app = open_page("stations")
    assert table(app)["place"].is_monotonic_increasing
    app.sidebar.selectbox(key="rank").select("losses").run()
    assert table(app)["net_flow"].is_monotonic_increasing
    assert "Stations, losing bikes first" in read_text(app)
