"""Filters: values in the URL, invalid values, and that choices survive a change of page."""

from datetime import date

import pytest
from app_support import assert_no_failure, days, go_to, open_page, publish_rows, registered_visits, visits
from streamlit.testing.v1 import AppTest

from data_stack.settings import Settings
from streamlit_app.filters import Period

IGNORED = "the URL contains a value that is invalid or not loaded. It is ignored."


@pytest.fixture(scope="module")
def year(shared: Settings) -> Settings:
    """A publication with all days of 2024."""
    with registered_visits():
        publish_rows(shared, visits("2024-01-01", [10] * 366))
    return shared


@pytest.fixture(autouse=True)
def on_year(year: Settings, only_visits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages read the publication of the year."""
    monkeypatch.setenv("DATA_DIR", str(year.data_dir))


def side(app: AppTest) -> str:
    return "\n".join(element.value for kind in ("warning", "caption") for element in getattr(app.sidebar, kind))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ({}, "3 Oct 2024 to 31 Dec 2024"),
        ({"period": "Last 7 days"}, "25 Dec 2024 to 31 Dec 2024"),
        ({"period": "Last 365 days"}, "2 Jan 2024 to 31 Dec 2024"),
        ({"period": "All days"}, "1 Jan 2024 to 31 Dec 2024"),
        ({"period": "Chosen days"}, "1 Jan 2024 to 31 Dec 2024"),
        ({"period": "Chosen days", "from": "2024-12-30"}, "30 Dec 2024 to 31 Dec 2024"),
        (days("2024-02-28", "2024-03-01"), "28 Feb 2024 to 1 Mar 2024"),
        (days("2024-05-31", "2024-05-31"), "31 May 2024 to 31 May 2024"),
        # the wrong way round is read as it was meant
        (days("2024-03-01", "2024-02-01"), "1 Feb 2024 to 1 Mar 2024"),
    ],
)
@pytest.mark.integration
def test_a_url_opens_the_period_that_it_contains(url: dict[str, str], shown: str) -> None:
    app = open_page("visits", **url)
    assert_no_failure(app)
    assert side(app) == shown
    assert any(shown in text.value for text in app.markdown)


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("2023-06-01", "2024-01-03", "1 Jan 2024 to 3 Jan 2024"),
        ("2024-12-30", "2030-01-01", "30 Dec 2024 to 31 Dec 2024"),
        ("2023-01-01", "2023-12-31", "1 Jan 2024 to 31 Dec 2024"),
        ("2024-02-30", "tomorrow", "1 Jan 2024 to 31 Dec 2024"),
    ],
)
@pytest.mark.integration
def test_days_that_are_invalid_or_not_loaded_are_reported_and_ignored(first: str, last: str, shown: str) -> None:
    app = open_page("visits", **days(first, last))
    assert_no_failure(app)
    assert shown in side(app) and IGNORED in side(app)
    # and not on the next run
    assert side(app.run()) == shown


def test_the_period_before_has_the_same_length() -> None:
    period = Period(date(2024, 3, 1), date(2024, 3, 31))
    assert period.days == 31
    assert period.before == Period(date(2024, 1, 30), date(2024, 2, 29))
    assert period.before.days == 31


def test_a_url_fills_the_fields() -> None:
    app = open_page("visits", by="Week", **days("2024-02-01", "2024-02-29"))
    assert app.sidebar.selectbox(key="period").value == "Chosen days"
    assert app.sidebar.selectbox(key="by").value == "week"
    assert [field.value for field in app.sidebar.date_input] == [date(2024, 2, 1), date(2024, 2, 29)]
    assert app.query_params == {"by": "Week"} | days("2024-02-01", "2024-02-29")


def test_choices_survive_a_change_of_page_and_return_to_the_url() -> None:
    app = open_page("visits")
    app.sidebar.selectbox(key="period").select("Last 28 days").run()
    app.sidebar.selectbox(key="by").select("month").run()
    go_to(app, "visitors")
    assert side(app) == "4 Dec 2024 to 31 Dec 2024"
    assert app.query_params == {"period": "Last 28 days"}
    go_to(app, "visits")
    assert app.sidebar.selectbox(key="by").value == "month"
    assert app.query_params == {"period": "Last 28 days", "by": "Month"}


def test_chosen_days_survive_a_change_of_page() -> None:
    app = open_page("visitors")
    app.sidebar.selectbox(key="period").select("Chosen days").run()
    app.sidebar.date_input(key="from").set_value(date(2024, 12, 1)).run()
    assert side(app) == "1 Dec 2024 to 31 Dec 2024"
    go_to(app, "visits")
    assert_no_failure(app)
    assert side(app) == "1 Dec 2024 to 31 Dec 2024"
    app.sidebar.date_input(key="to").set_value(date(2024, 11, 30)).run()
    assert side(app) == "30 Nov 2024 to 1 Dec 2024"


@pytest.mark.parametrize("garbage", ["tomorrow", "'; drop table x; --", "<script>", "..", "9" * 5000])
def test_garbage_in_the_url_is_reported_and_the_default_is_shown(garbage: str) -> None:
    app = open_page("visits", period=garbage, by=garbage)
    assert_no_failure(app)
    assert side(app) == f"Period: {IGNORED}\nBy: {IGNORED}\n3 Oct 2024 to 31 Dec 2024"
    assert app.query_params == {}


def test_a_text_is_part_of_the_url() -> None:
    def script() -> None:
        import streamlit as st

        from streamlit_app import filters

        st.write(f"looking for {filters.enter_text('q', 'Search')!r}")

    app = AppTest.from_function(script)
    app.query_params = {"q": " caf\u00e9 & 'x' "}
    app.run()
    assert app.markdown[0].value == "looking for \"café & 'x'\""
    app.sidebar.text_input(key="q").input("rent").run()
    assert app.markdown[0].value == "looking for 'rent'"
