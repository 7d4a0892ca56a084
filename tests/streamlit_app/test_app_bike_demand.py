"""Bike demand: the queries on values worked out by hand, the page on the demo and on incomplete days."""

from datetime import date
from typing import Any

import pytest
from app_support import (
    assert_no_failure,
    days,
    open_page,
    publication_of,
    publish_rows,
    read_text,
)
from sources.bike.pages import demand_days, rides

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.bike_demand import arrange_week
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import bike_demand as queries

DAILY, HOURLY = "marts.mart_demand_daily", "marts.mart_demand_hourly"
# Monday 1 January to Wednesday 10 January 2024
PERIOD = Period(date(2024, 1, 1), date(2024, 1, 10))


def hour(day: str, hour_of_day: int, weekday: int, trips: int, **other: Any) -> dict[str, Any]:
    return {
        "date_local": date.fromisoformat(day),
        "hour_of_day": hour_of_day,
        "weekday": weekday,
        "trips": trips,
        "member_trips": trips - 1,
        "casual_trips": 1,
        "is_complete": True,
        **other,
    }


def by_rider(
    day: str, rideable_type: str | None, member_casual: str, trips: int, complete: bool = True
) -> dict[str, Any]:
    return {
        "date_local": date.fromisoformat(day),
        "rideable_type": rideable_type,
        "member_casual": member_casual,
        "trips": trips,
        "is_complete": complete,
    }


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    """Seven days of the first week, then one complete day, one incomplete day and one complete day of the second."""
    rows = demand_days("2024-01-01", [10, 20, 30, 40, 50, 60, 70, 9, 1000, 11])
    rows[8]["is_complete"] = False
    # a rider of unknown kind
    rows[9] |= {"member_trips": 5, "casual_trips": 5, "known_rider_trips": 10}
    hours = [
        hour("2024-01-01", 8, 1, 10),
        hour("2024-01-08", 8, 1, 21),
        hour("2024-01-02", 8, 2, 5),
        hour("2024-01-06", 8, 6, 3),
        hour("2024-01-09", 8, 2, 900, is_complete=False),
        hour("2024-02-01", 8, 4, 700),
    ]
    types = [
        by_rider("2024-01-01", "classic_bike", "member", 6),
        by_rider("2024-01-01", "classic_bike", "casual", 1),
        by_rider("2024-01-02", "electric_bike", "member", 14),
        by_rider("2024-01-08", None, "member", 9),
        by_rider("2024-01-09", "classic_bike", "member", 1000, complete=False),
    ]
    return publication_of(shared, {DAILY: rows, HOURLY: hours, queries.BY_RIDER: types})


def test_the_days_there_are(warehouse: Warehouse) -> None:
    assert queries.get_bounds(warehouse) == PERIOD
    assert queries.get_days(warehouse, PERIOD)["is_complete"].sum() == 9
    assert queries.get_days(warehouse, Period(date(2024, 1, 9), date(2024, 1, 9)))["is_complete"].sum() == 0


def test_no_complete_day_is_a_message(settings: Settings) -> None:
    cut = demand_days("2024-01-01", [10], is_complete=False)
    with pytest.raises(NothingToShowError, match="no day is complete yet"):
        queries.get_bounds(publication_of(settings, {DAILY: cut}))


def test_trips_a_day_are_means_over_the_complete_days_of_a_bucket(warehouse: Warehouse) -> None:
    weeks = queries.get_trips(warehouse, PERIOD, "week").rows()
    # (10 + ... + 70) / 7, then (9 + 11) / 2 without the day that is cut; members 5 + ... + 35, then 4 + 5
    assert weeks == [
        (date(2024, 1, 1), 7, 40.0, 20.0, 20.0, 0.0),
        (date(2024, 1, 8), 2, 10.0, 4.5, 5.0, 0.5),
    ]
    assert queries.get_trips(warehouse, PERIOD, "month").rows()[0][:3] == (date(2024, 1, 1), 9, 300 / 9)
    assert [row[2] for row in queries.get_trips(warehouse, PERIOD, "day").rows()][-2:] == [9.0, 11.0]


def test_hours_are_means_over_complete_days(warehouse: Warehouse) -> None:
    # Mondays 10 and 21, a Tuesday 5; a Saturday 3
    assert queries.get_hours_of_day(warehouse, PERIOD).rows() == [(8, False, 12.0, 11.0, 1.0), (8, True, 3.0, 2.0, 1.0)]


def test_the_week_has_a_cell_where_hours_are_loaded(warehouse: Warehouse) -> None:
    frame = queries.get_week(warehouse, PERIOD)
    assert frame.rows() == [(1, 8, 2, 15.5), (2, 8, 1, 5.0), (6, 8, 1, 3.0)]
    grid = arrange_week(frame)
    assert (len(grid), {len(row) for row in grid}) == (7, {24})
    assert [row[8] for row in grid] == [15.5, 5.0, None, None, None, 3.0, None]
    assert grid[0][7] is None


def test_rideable_types_are_divided_by_all_complete_days(warehouse: Warehouse) -> None:
    # seven days in the first week, two complete ones in the second
    assert queries.get_rideable_types(warehouse, PERIOD, "week").rows() == [
        (date(2024, 1, 1), "classic_bike", 1.0),
        (date(2024, 1, 1), "electric_bike", 2.0),
        (date(2024, 1, 8), "unknown", 4.5),
    ]


def test_the_table_has_every_day_and_says_which_is_incomplete(warehouse: Warehouse) -> None:
    frame = queries.get_days(warehouse, PERIOD)
    assert frame["date_local"].to_list()[0] == date(2024, 1, 10)
    assert frame.filter(~frame["is_complete"])["trips"].to_list() == [1000]


def test_days_that_are_incomplete_are_reported_and_left_out(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10, 1000, 10])
    rows[1]["is_complete"] = False
    publish_rows(settings, {DAILY: rows, "core.fct_trips": rides("2024-01-01")})
    app = open_page("bike_demand", period="All days")
    assert_no_failure(app)
    assert "1 of the 3 days are not complete and are left out of the charts." in read_text(app)
    app = open_page("bike_demand", **days("2024-01-02", "2024-01-02"))
    assert "No day of this period is complete; choose another period in the sidebar." in read_text(app)
    assert not app.get("plotly_chart")


def test_a_publication_without_the_mart_of_types_shows_the_rest(settings: Settings) -> None:
    rows = {DAILY: demand_days("2024-01-01", [10]), "core.fct_trips": rides("2024-01-01")}
    publish_rows(settings, rows, leave_out=[queries.BY_RIDER])
    app = open_page("bike_demand")
    assert_no_failure(app)
    assert f"The publication has no `{queries.BY_RIDER}`; `data-stack run` builds and publishes it." in read_text(app)
    assert len(app.get("plotly_chart")) == 4
    assert len(app.dataframe) == 1


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("bike_demand", by="Week", **days("2024-06-01", "2024-06-30"))
    assert_no_failure(app)
    titles = [text.value.removeprefix("##### ") for text in app.markdown]
    for title in (
        "Trips per day by kind of rider, 1 Jun 2024 to 30 Jun 2024",
        "Mean trips per hour on Mondays to Fridays",
        "Mean trips per hour on weekends",
        "Mean trips per hour by weekday and hour, 1 Jun 2024 to 30 Jun 2024",
        "Days, 1 Jun 2024 to 30 Jun 2024",
    ):
        assert title in titles
    shown = app.dataframe[0].value
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute(
            "select sum(trips), count(*) from marts.mart_demand_daily"
            " where date_local between '2024-06-01' and '2024-06-30'"
        ).fetchone()
    assert (shown["trips"].sum(), len(shown)) == expected


@pytest.mark.slow
def test_another_filter_changes_what_is_shown(on_demo: Settings) -> None:
    app = open_page("bike_demand")
    before = len(app.dataframe[0].value)
    app.sidebar.selectbox(key="period").select("Last 7 days").run()
    assert_no_failure(app)
    assert (before, len(app.dataframe[0].value)) == (90, 7)
