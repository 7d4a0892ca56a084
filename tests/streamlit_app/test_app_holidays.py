"""Holidays: the queries on values worked out by hand, the page on few rows and on the demo."""

from datetime import date

import pytest
from app_support import assert_no_failure, days, open_page, publication_of, publish_rows, read_text
from sources.bike.pages import rides
from sources.holidays.pages import effect, holiday

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.holidays import sort_effects
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import holidays as queries

EFFECTS = [
    effect("2024-09-02", "Labor Day", 40, 80.0),
    effect("2024-05-27", "Memorial Day", 60, 80.0, days=7),
    effect("2024-07-04", "Independence Day", 12, None),
    effect("2024-12-25", "Christmas <b>Day</b>", 110, 100.0),
]
ROWS = {
    "core.fct_trips": rides("2024-05-27"),
    "core.fct_holidays": [
        holiday("2024-07-04", "Independence Day"),
        holiday("2024-10-14", "Columbus Day", False),
        holiday("2024-10-14", "Another Day", False),
        holiday("2025-02-12", "Lincoln's Birthday", False),
    ],
    queries.EFFECT: EFFECTS,
}
PERIOD = Period(date(2024, 5, 27), date(2024, 12, 25))


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    return publication_of(shared, ROWS)


def test_bounds_are_the_first_and_the_last_holiday(warehouse: Warehouse, settings: Settings) -> None:
    assert queries.get_bounds(warehouse) == PERIOD
    with pytest.raises(NothingToShowError, match="no complete day of trips is a nationwide holiday"):
        queries.get_bounds(publication_of(settings, {}))


def test_effects_of_a_period_come_in_the_order_of_their_days(warehouse: Warehouse) -> None:
    found = queries.get_effects(warehouse, Period(date(2024, 5, 28), date(2024, 12, 24)))
    assert found.rows() == [
        (date(2024, 7, 4), "Independence Day", 4, 12, None, 0, None, None),
        (date(2024, 9, 2), "Labor Day", 1, 40, 80.0, 8, -40.0, -0.5),
    ]


def test_the_largest_effect_is_first_and_what_has_none_is_last(warehouse: Warehouse) -> None:
    found = sort_effects(queries.get_effects(warehouse, PERIOD), "effect")
    # -50 %, -25 %, +10 %, none
    assert [name.split()[0] for name in found["holiday"]] == ["Labor", "Memorial", "Christmas", "Independence"]


def test_other_holidays_are_those_of_some_states(warehouse: Warehouse) -> None:
    assert queries.get_other_holidays(warehouse, PERIOD)["holiday"].to_list() == ["Another Day", "Columbus Day"]


def test_the_page_shows_the_effects_of_all_days(settings: Settings) -> None:
    publish_rows(settings, ROWS)
    app = open_page("holidays", period="All days")
    assert_no_failure(app)
    said = read_text(app)
    assert "Largest effect: Labor Day, 2 Sep 2024, -50 % trips, 27 May 2024 to 25 Dec 2024" in said
    assert "Holidays: 4. Without an ordinary day to compare with: 1." in said
    assert len(app.get("plotly_chart")) == 1
    effects, others = (table.value for table in app.dataframe)
    assert effects["holiday"].to_list()[0] == "Memorial Day" and effects["trips"].sum() == 222
    assert others["holiday"].to_list() == ["Another Day", "Columbus Day"]
    assert "&lt;b&gt;Day" in app.get("plotly_chart")[0].proto.spec


def test_the_order_is_part_of_the_url(settings: Settings) -> None:
    publish_rows(settings, ROWS)
    app = open_page("holidays", period="All days", sort="Largest effect first")
    assert_no_failure(app)
    assert app.dataframe[0].value["holiday"].to_list()[0] == "Labor Day"


def test_a_period_without_a_comparison_or_without_a_holiday_says_so(settings: Settings) -> None:
    publish_rows(settings, ROWS)
    app = open_page("holidays", **days("2024-07-01", "2024-07-31"))
    assert_no_failure(app)
    assert "No holiday of this period has an ordinary day to compare with; the table has its trips." in read_text(app)
    assert "No day of this period is a holiday of some states only." in read_text(app)
    assert app.dataframe[0].value["trips"].to_list() == [12] and not app.get("plotly_chart")
    app = open_page("holidays", **days("2024-08-01", "2024-08-31"))
    assert_no_failure(app)
    assert "No complete day of this period is a nationwide holiday; choose another period" in read_text(app)


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("holidays", period="All days")
    assert_no_failure(app)
    assert len(app.get("plotly_chart")) == 1
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute("select count(*), sum(trips) from marts.mart_holiday_effect").fetchone()
    assert (len(app.dataframe[0].value), app.dataframe[0].value["trips"].sum()) == expected
