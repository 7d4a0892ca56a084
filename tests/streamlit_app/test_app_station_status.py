"""Empty and full stations: the queries on values worked out by hand, gaps in the steps, the page on the demo."""

from datetime import date, datetime

import pytest
from app_support import assert_no_failure, days, metrics, open_page, publication_of, publish_rows, read_text
from sources.station_status.pages import ROWS, day_of_station, report

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.station_status import draw_day
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import station_status as queries

FACT = "core.fct_station_status"
MONDAY, TUESDAY = date(2024, 1, 1), date(2024, 1, 2)
BOTH = Period(MONDAY, TUESDAY)
STATIONS = {
    queries.AVAILABILITY: [
        day_of_station("a", "2024-01-01", empty=30, full=10),
        day_of_station("a", "2024-01-02", empty=10, observed=300),
        day_of_station("b_", "2024-01-01", empty=20, full=20),
        day_of_station("c", "2024-01-02", observed=20, full=20),
        day_of_station("d", "2024-01-03", empty=100),
    ],
    FACT: [
        # over midnight, then a gap from 00:30 to 08:00, then two without a gap
        report("a", "2023-12-31 23:40", 1, 14, minutes=50),
        report("a", "2024-01-01 08:00", 0, 15, minutes=20),
        report("a", "2024-01-01 08:20", 2, 13),
        report("a", "2024-01-01 23:30", 5, 10),
        report("b_", "2024-01-01 12:00", 9, 0),
        report("a", "2024-01-02 12:00", 4, 11),
    ],
}


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    return publication_of(shared, STATIONS)


@pytest.fixture
def on_rows(settings: Settings, warehouse: Warehouse, shared: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    settings.warehouse_file.write_bytes(shared.warehouse_file.read_bytes())


def test_bounds_are_the_observed_days(warehouse: Warehouse) -> None:
    assert queries.get_bounds(warehouse) == Period(MONDAY, date(2024, 1, 3))


def test_without_an_observed_minute_there_is_a_message(settings: Settings) -> None:
    with pytest.raises(NothingToShowError, match="no minute of a station is observed yet"):
        queries.get_bounds(publication_of(settings, {FACT: [report("a", "2024-01-01 08:00", 1, 1)]}))


def test_minutes_and_shares_of_a_period(warehouse: Warehouse) -> None:
    found = queries.get_ranking(warehouse, BOTH, "empty")
    assert found.rows() == [
        # place, station, empty, share, full, share, out of service, observed, share of two days, one day
        (1, "a", 40.0, 0.1, 10.0, 0.025, 0.0, 400.0, pytest.approx(400 / 2880)),
        (2, "b_", 20.0, 0.2, 20.0, 0.2, 0.0, 100.0, pytest.approx(100 / 1440)),
        (3, "c", 0.0, 0.0, 20.0, 1.0, 0.0, 20.0, pytest.approx(20 / 1440)),
    ]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("empty", [(1, "a"), (2, "b_"), (3, "c")]),
        ("full", [(1, "b_"), (1, "c"), (3, "a")]),
        ("empty_share", [(1, "b_"), (2, "a"), (3, "c")]),
        ("full_share", [(1, "c"), (2, "b_"), (3, "a")]),
    ],
)
def test_each_ranking_has_its_order(warehouse: Warehouse, by: str, order: list[tuple[int, str]]) -> None:
    assert queries.get_ranking(warehouse, BOTH, by).select("place", "station_id").rows() == order


def test_a_day_on_which_only_an_earlier_report_holds_is_not_offered(warehouse: Warehouse) -> None:
    assert queries.list_days(warehouse, "a", Period(date(2023, 12, 31), TUESDAY)) == [
        TUESDAY,
        MONDAY,
        date(2023, 12, 31),
    ]
    assert queries.list_days(warehouse, "b_", BOTH) == [MONDAY]


def test_reports_of_a_day_are_cut_at_midnight(warehouse: Warehouse) -> None:
    found = queries.get_reports(warehouse, "a", MONDAY).select("begins_at_local", "ends_at_local", "bikes").rows()
    assert found == [
        (datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 30), 1),
        (datetime(2024, 1, 1, 8), datetime(2024, 1, 1, 8, 20), 0),
        (datetime(2024, 1, 1, 8, 20), datetime(2024, 1, 1, 9, 20), 2),
        (datetime(2024, 1, 1, 23, 30), datetime(2024, 1, 2), 5),
    ]
    assert queries.get_reports(warehouse, "a' or '1'='1", MONDAY).is_empty()


def test_steps_have_a_gap_where_no_report_holds(warehouse: Warehouse) -> None:
    bikes, docks = draw_day(queries.get_reports(warehouse, "a", MONDAY)).data
    times = [(time.hour, time.minute) for time in bikes.x]
    assert list(zip(times, bikes.y, strict=True)) == [
        ((0, 0), 1), ((0, 30), 1), ((0, 30), None),
        ((8, 0), 0), ((8, 20), 0), ((8, 20), 2), ((9, 20), 2), ((9, 20), None),
        ((23, 30), 5), ((0, 0), 5),
    ]  # fmt: skip
    assert [value is None for value in docks.y] == [value is None for value in bikes.y]


def test_key_figures_and_the_first_of_the_ranking(on_rows: None) -> None:
    app = open_page("station_status", **days("2024-01-01", "2024-01-02"))
    assert_no_failure(app)
    assert {label: value for label, (value, _) in metrics(app).items()} == {
        "Stations": "3",
        "Observed minutes": "520",
        # 60 and 50 of 520
        "Empty": "11.5 %",
        "Full": "9.6 %",
    }
    said = read_text(app)
    assert "Stations, most empty minutes first, 1 Jan 2024 to 2 Jan 2024" in said
    assert "a: empty for 10 and full for 0 of 300 observed minutes, Tuesday, 2 Jan 2024" in said
    assert len(app.get("plotly_chart")) == 1


def test_a_station_and_a_day_are_part_of_the_url(on_rows: None) -> None:
    url = {
        **days("2024-01-01", "2024-01-02"),
        "station": "b_",
        "day": "Mon 1 Jan 2024",
        "rank": "Most full minutes first",
    }
    app = open_page("station_status", **url)
    assert_no_failure(app)
    assert app.query_params == url
    assert "b\\_: empty for 20 and full for 20 of 100 observed minutes, Monday, 1 Jan 2024" in read_text(app)


def test_a_url_with_garbage_shows_the_first_station(on_rows: None) -> None:
    app = open_page("station_status", **days("2024-01-01", "2024-01-02"), station="<script>", day="never")
    assert_no_failure(app)
    assert "Station: the URL contains a value that is invalid or not loaded. It is ignored." in read_text(app)
    assert "a: empty for 10" in read_text(app)


def test_a_station_without_a_report_has_a_message(settings: Settings) -> None:
    publish_rows(settings, ROWS | {FACT: [report("other", "2024-01-01 12:00", 1, 1)]})
    app = open_page("station_status")
    assert_no_failure(app)
    assert "Station a has no report in this period; choose another period or station." in read_text(app)
    assert not app.get("plotly_chart")


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("station_status", period="All days")
    assert_no_failure(app)
    shown = app.dataframe[0].value
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute(
            "select count(distinct station_id), sum(empty_minutes)::double, sum(full_minutes)::double"
            f" from {queries.AVAILABILITY}"
        ).fetchone()
    assert (len(shown), shown["empty_minutes"].sum(), shown["full_minutes"].sum()) == pytest.approx(expected)
    assert shown["place"].is_monotonic_increasing
