"""The card of bike on the start page: figures and their change on values worked out by hand."""

from datetime import date

import pytest
from app_support import assert_no_failure, days, metrics, open_page, publication_of, publish_rows, read_text
from sources.bike.pages import demand_days, demand_tables, rides

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.figures import fetch_figures
from streamlit_app.filters import Period
from streamlit_app.home_cards.bike import FIGURES
from streamlit_app.queries import bike_home as queries

DAILY = "marts.mart_demand_daily"
BIKE = {"core.fct_trips": rides("2024-01-01")}


def test_figures_of_a_period_are_of_its_complete_days(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10, 20, 600], temperature_c_mean=4.0)
    rows[2]["is_complete"] = False
    rows[1] |= {"member_trips": 17, "casual_trips": 1, "known_rider_trips": 18, "temperature_c_mean": 7.0}
    publish_rows(settings, BIKE | demand_tables(rows))
    # the third day is complete for neither
    app = open_page("home", **days("2024-01-01", "2024-01-03"))
    assert_no_failure(app)
    assert metrics(app) == {
        "Trips": ("30", ""),
        "Trips per day": ("15", ""),
        # members 5 + 17 of known riders 10 + 18; two riders are of unknown kind
        "Share of members": ("78.6 %", ""),
        "Mean temperature": ("5.5 °C", ""),
    }


def test_a_temperature_needs_every_day_and_no_day_has_no_figures(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10, 20, 30, 40], temperature_c_mean=4.0)
    rows[1]["temperature_c_mean"] = None
    rows[2]["is_complete"] = False
    warehouse = publication_of(settings, demand_tables(rows))
    found = fetch_figures(warehouse, FIGURES, Period(date(2024, 1, 1), date(2024, 1, 2)))
    assert found == dict(zip(FIGURES, (2, 30, 15.0, 0.5, None), strict=True))
    for day in (date(2024, 1, 3), date(2023, 1, 1)):
        assert set(fetch_figures(warehouse, FIGURES, Period(day, day)).values()) == {None}
    assert fetch_figures(warehouse, FIGURES, Period(date(2024, 1, 3), date(2024, 1, 4)))[FIGURES[-1]] == 4.0


def test_the_mean_of_seven_days_needs_seven_days(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [7, 7, 7, 7, 7, 7, 14, 21, 28])
    rows[7]["is_complete"] = False
    frame = queries.get_trend(publication_of(settings, {DAILY: rows}), Period(date(2024, 1, 6), date(2024, 1, 9)))
    assert frame.rows() == [(date(2024, 1, 6), 7, None), (date(2024, 1, 7), 14, 8.0), (date(2024, 1, 9), 28, None)]


def test_the_change_is_against_the_days_directly_before(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10] * 7 + [15] * 7, temperature_c_mean=1.0)
    for row in rows[7:]:
        row |= {"member_trips": 12, "casual_trips": 3, "temperature_c_mean": 3.5}
    publish_rows(settings, BIKE | demand_tables(rows))
    app = open_page("home", period="Last 7 days")
    assert_no_failure(app)
    assert metrics(app) == {
        "Trips": ("105", "+50.0 %"),
        "Trips per day": ("15", "+50.0 %"),
        "Share of members": ("80.0 %", "+30.0 percentage points"),
        "Mean temperature": ("3.5 °C", "+2.5 °C"),
    }
    assert "Compared with 1 Jan 2024 to 7 Jan 2024." in read_text(app)


@pytest.mark.parametrize("cut", [3, 10])
@pytest.mark.integration
def test_a_day_that_is_incomplete_makes_no_comparison(settings: Settings, cut: int) -> None:
    rows = demand_days("2024-01-01", [10] * 14)
    rows[cut]["is_complete"] = False
    publish_rows(settings, BIKE | demand_tables(rows))
    app = open_page("home", period="Last 7 days")
    assert {delta for _, delta in metrics(app).values()} == {""}
    now, before = (7, 6) if cut == 3 else (6, 7)
    said = f"No comparison: {now} of the 7 chosen days and {before} of the 7 days before them are complete."
    assert said in read_text(app)


def test_a_period_without_a_complete_day_has_no_chart(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10] * 3)
    rows[1]["is_complete"] = False
    publish_rows(settings, BIKE | demand_tables(rows))
    app = open_page("home", **days("2024-01-02", "2024-01-02"))
    assert_no_failure(app)
    assert "No day of this period is complete; choose another period in the sidebar." in read_text(app)
    assert not app.get("plotly_chart")


@pytest.mark.slow
def test_the_card_on_the_demo(on_demo: Settings) -> None:
    app = open_page("home", **days("2024-09-01", "2024-09-30"))
    assert_no_failure(app)
    with open_warehouse(on_demo.warehouse_file) as db:
        now, before = (
            db.execute("select count(*) from core.fct_trips where date_local between ? and ?", list(ends)).fetchone()[0]
            for ends in (("2024-09-01", "2024-09-30"), ("2024-08-02", "2024-08-31"))
        )
    assert metrics(app)["Trips"] == (f"{now:,}", f"{100 * (now / before - 1):+.1f} %")
