"""Filters: words of the URL, what is wrong with them, and that they outlive a change of page."""

from datetime import date

import pytest
from app_support import assert_no_failure, demand_days, go_to, open_page, publish_rows, rides
from streamlit.testing.v1 import AppTest

from data_stack.settings import Settings
from streamlit_app.filters import Period, parse_period

BOUNDS = Period(date(2024, 1, 1), date(2024, 12, 31))


@pytest.fixture(autouse=True)
def year(settings: Settings) -> None:
    """A publication with all days of 2024."""
    days = demand_days("2024-01-01", [10] * 366)
    publish_rows(settings, {"marts.mart_demand_daily": days, "core.fct_trips": rides("2024-01-01")})


def side(app: object) -> str:
    return "\n".join(element.value for kind in ("warning", "caption") for element in getattr(app.sidebar, kind))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("7d", "2024-12-25", "2024-12-31"),
        ("365d", "2024-01-02", "2024-12-31"),
        ("all", "2024-01-01", "2024-12-31"),
        ("2024-02-28..2024-03-01", "2024-02-28", "2024-03-01"),
        ("2024-05-31..2024-05-31", "2024-05-31", "2024-05-31"),
        ("2023-06-01..2024-01-03", "2024-01-01", "2024-01-03"),
        ("2024-12-30..2030-01-01", "2024-12-30", "2024-12-31"),
    ],
)
def test_words_become_days(text: str, first: str, last: str) -> None:
    assert parse_period(text, BOUNDS) == Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no two days"),
        ("days", "no two days"),
        ("400d", "no two days"),
        ("2024-02-30..2024-03-01", "no two days"),
        ("2024-01-01", "no two days"),
        ("2024-03-01..2024-02-01", "the first day in the address is after the last"),
        ("2023-01-01..2023-12-31", "are not loaded, which are 1 Jan 2024 to 31 Dec 2024"),
    ],
)
def test_words_that_are_no_period(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_period(text, BOUNDS)


def test_the_period_before_has_the_same_length() -> None:
    period = Period(date(2024, 3, 1), date(2024, 3, 31))
    assert period.days == 31
    assert period.before == Period(date(2024, 1, 30), date(2024, 2, 29))
    assert period.before.days == 31


def test_the_url_says_what_is_shown_also_when_nothing_was_chosen() -> None:
    app = open_page("bike_demand")
    assert app.query_params == {"period": "90d", "by": "day"}
    assert "3 Oct 2024 to 31 Dec 2024" in side(app)


def test_an_address_opens_what_it_says() -> None:
    app = open_page("bike_demand", period="2024-02-01..2024-02-29", by="week")
    assert app.sidebar.selectbox(key="filter-period").value == "days"
    assert app.sidebar.selectbox(key="filter-by").value == "week"
    assert [field.value for field in app.sidebar.date_input] == [date(2024, 2, 1), date(2024, 2, 29)]
    assert any("1 Feb 2024 to 29 Feb 2024" in text.value for text in app.markdown)


def test_choices_go_into_the_address_and_outlive_a_change_of_page() -> None:
    app = open_page("bike_demand")
    app.sidebar.selectbox(key="filter-period").select("28d").run()
    app.sidebar.selectbox(key="filter-by").select("month").run()
    assert app.query_params == {"period": "28d", "by": "month"}
    # the menu leads to an address without a query
    app.query_params = {}
    go_to(app, "home")
    assert "4 Dec 2024 to 31 Dec 2024" in side(app)
    # a filter that this page does not show stays in the address, so that a reload keeps it too
    assert app.query_params == {"period": "28d", "by": "month"}
    app.query_params = {}
    go_to(app, "bike_demand")
    assert app.sidebar.selectbox(key="filter-by").value == "month"


def test_chosen_days_begin_with_those_shown_and_can_be_changed() -> None:
    app = open_page("home", period="7d")
    app.sidebar.selectbox(key="filter-period").select("days").run()
    assert app.query_params["period"] == "2024-12-25..2024-12-31"
    app.sidebar.date_input(key="filter-period-first").set_value(date(2024, 12, 1)).run()
    assert app.query_params["period"] == "2024-12-01..2024-12-31"
    # the wrong way round is taken as meant
    app.sidebar.date_input(key="filter-period-last").set_value(date(2024, 11, 30)).run()
    assert app.query_params["period"] == "2024-11-30..2024-12-01"
    assert_no_failure(app)


@pytest.mark.parametrize("garbage", ["tomorrow", "2024-99-99..x", "'; drop table x; --", "<script>", "..", "9" * 5000])
def test_garbage_in_the_address_is_a_sentence_and_the_default(garbage: str) -> None:
    app = open_page("bike_demand", period=garbage, by=garbage)
    assert_no_failure(app)
    said = side(app)
    assert "Period: the address has no two days such as 2024-01-01..2024-01-31; shown are the last 90 days." in said
    assert "By: the address asks for something that there is not; shown is Day." in said
    assert app.query_params == {"period": "90d", "by": "day"}


def test_words_to_look_for_stand_in_the_address() -> None:
    def script() -> None:
        import streamlit as st

        from streamlit_app import filters

        filters.restore()
        st.write(f"looking for {filters.text('q', 'Search')!r}")

    app = AppTest.from_function(script)
    app.query_params = {"q": " caf\u00e9 & 'x' "}
    app.run()
    assert app.markdown[0].value == "looking for \"café & 'x'\""
    app.sidebar.text_input(key="filter-q").input("rent").run()
    assert (app.markdown[0].value, app.query_params) == ("looking for 'rent'", {"q": "rent"})
