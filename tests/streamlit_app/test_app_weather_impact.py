"""Weather impact: the queries on values worked out by hand, the page on the demo and on missing weather."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from app_support import assert_no_failure, days, open_page, publication_of, publish_rows, read_text
from sources.bike.pages import rides

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.weather_impact import average_steps
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import weather_impact as queries

# Monday 1 January to Sunday 14 January 2024, two weeks
PERIOD = Period(date(2024, 1, 1), date(2024, 1, 14))
LOADED = {
    "core.fct_trips": rides("2024-01-01"),
    "core.fct_weather_hourly": [{"date_local": date(2024, 1, 1), "temperature_c": 5.0}],
}


def hour(
    day: str, trips: int, expected: float | None, rain: float = 0, kind: str = "light", **other: Any
) -> dict[str, Any]:
    return {
        "date_local": date.fromisoformat(day),
        "hour_of_day": 8,
        "weekday": date.fromisoformat(day).isoweekday(),
        "temperature_c": 5.0,
        "precipitation_mm": rain,
        "condition": "rain" if rain else "clear",
        "precipitation_kind": kind if rain else "dry",
        "is_dry": rain == 0,
        "trips": trips,
        "expected_trips": expected,
        **other,
    }


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    """Dry and wet hours of two weeks, one without anything to compare with, and one of a later month."""
    hours = [
        hour("2024-01-01", 12, 10, temperature_c=4.0),
        hour("2024-01-01", 24, 20, temperature_c=8.0, hour_of_day=9),
        hour("2024-01-02", 5, 10),
        hour("2024-01-03", 5, 10, rain=0.1),
        hour("2024-01-10", 15, 10, rain=2.4),
        hour("2024-01-03", 2, 4, rain=2.5, kind="moderate", hour_of_day=9),
        hour("2024-01-04", 1, 4, rain=7.6, kind="heavy", hour_of_day=9),
        hour("2024-01-05", 3, 30, rain=0.2, kind="snow"),
        hour("2024-01-14", 100, None, rain=1),
        hour("2024-02-01", 700, 1),
    ]
    return publication_of(shared, {queries.HOURLY: hours})


def test_the_days_there_are(warehouse: Warehouse) -> None:
    assert queries.get_bounds(warehouse) == Period(date(2024, 1, 1), date(2024, 2, 1))
    assert queries.count_hours(warehouse, PERIOD) == {"hours": 9, "compared": 8, "wet": 5}


def test_nothing_to_compare_with_is_a_message(settings: Settings) -> None:
    found = publication_of(settings, {queries.HOURLY: [hour("2024-01-01", 1, None)]})
    with pytest.raises(NothingToShowError, match="no hour of a complete day has both trips and weather"):
        queries.get_bounds(found)


def test_a_day_is_the_sums_of_its_dry_hours(warehouse: Warehouse) -> None:
    both, one = queries.get_dry_days(warehouse, PERIOD, 1).rows()
    # 36 of 30, at (4 + 8) / 2 degrees; 5 of 10
    assert both == (date(2024, 1, 1), 6.0, pytest.approx(0.2), 36, 2)
    assert one == (date(2024, 1, 2), 5.0, -0.5, 5, 1)
    assert queries.get_dry_days(warehouse, PERIOD, 2)["date_local"].to_list() == [date(2024, 1, 1)]


def test_kinds_are_ratios_of_sums_with_their_error(warehouse: Warehouse) -> None:
    frame = queries.get_precipitation_kinds(warehouse, PERIOD)
    assert frame.select("kind", "hours", "weeks", pl.col("change").round(6)).rows() == [
        ("dry", 3, 1, round(41 / 40 - 1, 6)),
        # 5 + 15 of 10 + 10
        ("light", 2, 2, 0.0),
        ("moderate", 1, 1, -0.5),
        ("heavy", 1, 1, -0.75),
        ("snow", 1, 1, -0.9),
    ]
    assert frame.select("least_mm", "most_mm").rows() == [(0, 0), (0.1, 2.4), (2.5, 2.5), (7.6, 7.6), (0.2, 0.2)]
    # without the first week 1.5, without the second 0.5: sqrt(1 / 2 * (0.5^2 + 0.5^2))
    assert frame["standard_error"].to_list() == [None, pytest.approx(0.5), None, None, None]
    # two weeks are too few for an interval
    assert frame["margin"].to_list() == [None] * 5


def test_the_lower_edge_belongs_to_a_step() -> None:
    days = pl.DataFrame({"temperature_c": [5.0, -0.5, 9.0, -4.5], "change": [0.1, -0.4, 0.3, -0.6]})
    assert average_steps(days).rows() == [(-2.5, pytest.approx(-0.5), 2), (7.0, pytest.approx(0.2), 2)]


def test_wet_hours_are_means_by_hour_of_the_day(warehouse: Warehouse) -> None:
    # at 8: 5, 15, 3 of 10, 10, 30; at 9: 2, 1 of 4, 4
    assert queries.get_wet_hours(warehouse, PERIOD).rows() == [
        (8, 3, pytest.approx(23 / 3), pytest.approx(50 / 3)),
        (9, 2, 1.5, 4.0),
    ]


def test_conditions_come_in_their_order(settings: Settings) -> None:
    pairs = [("snow", "0 to 10"), ("clear", "10 to 20"), ("clear", "below 0")]
    rows = [{"condition": condition, "temperature_band": band} for condition, band in pairs]
    found = queries.get_conditions(publication_of(settings, {queries.EFFECT: rows}))
    assert found.select("condition", "temperature_band").rows() == [*pairs[:0:-1], pairs[0]]


def test_without_an_hour_to_compare_the_page_says_so(settings: Settings) -> None:
    publish_rows(settings, LOADED)
    app = open_page("weather_impact")
    assert_no_failure(app)
    assert "No hour of a complete day has both trips and weather; `data-stack run`" in read_text(app)
    assert not app.get("plotly_chart")


def test_a_period_without_rain_or_dry_days_shows_the_rest(settings: Settings) -> None:
    hours = [hour("2024-01-01", 12, 10), hour("2024-01-02", 1, 10, rain=1)]
    publish_rows(settings, LOADED | {queries.HOURLY: hours}, leave_out=[queries.EFFECT])
    app = open_page("weather_impact", **days("2024-01-01", "2024-01-01"))
    assert_no_failure(app)
    said = read_text(app)
    assert "No day of this period has 12 dry hours; choose another period in the sidebar." in said
    assert "No hour of this period has precipitation; choose another period in the sidebar." in said
    assert f"The publication has no `{queries.EFFECT}`; `data-stack run` builds and publishes it." in said
    assert len(app.get("plotly_chart")) == 1


def test_ten_weeks_have_a_curve_and_an_interval(settings: Settings) -> None:
    hours = []
    for number in range(70):
        day = date(2024, 1, 1) + timedelta(days=number)
        # one trip more per degree, and half of the expected trips in an hour with rain
        dry = {"trips": 10 + number % 30, "temperature_c": float(number % 30)}
        hours += [hour(f"{day}", expected=20, hour_of_day=at, **dry) for at in range(8, 21)]
        hours += [hour(f"{day}", 10 + number % 2, 21, rain=0.5, hour_of_day=7)]
    publish_rows(settings, LOADED | {queries.HOURLY: hours}, leave_out=[queries.EFFECT])
    app = open_page("weather_impact", period="All days")
    assert_no_failure(app)
    said = read_text(app)
    assert "Trips in dry hours compared with the expected: -40 % at 2 °C, +80 % at 26 °C, 1 Jan 2024" in said
    assert "The band is the 95 % confidence band of the mean." in said
    assert "Light rain: -50 % trips compared with the expected (-50 % to -50 %), 1 Jan 2024" in said
    assert "Hollow" not in said
    assert len(app.get("plotly_chart")) == 3


@pytest.mark.slow
def test_a_short_period_has_points_and_no_curve(on_demo: Settings) -> None:
    app = open_page("weather_impact", **days("2024-06-01", "2024-06-30"))
    assert_no_failure(app)
    said = read_text(app)
    assert "Trips in dry hours compared with the expected, by temperature, 1 Jun 2024 to 30 Jun 2024" in said
    assert "No curve: it needs 8 weeks with different temperatures; choose a longer period." in said
    assert "Trips compared with the expected, by precipitation, 1 Jun 2024 to 30 Jun 2024" in said
    assert len(app.get("plotly_chart")) == 3


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("weather_impact", period="All days")
    assert_no_failure(app)
    said = read_text(app)
    # the sample's rain costs rides, and its cold days have fewer
    assert "Trips in dry hours compared with the expected: -" in said
    assert "Snow: -" in said
    assert "It has **no season**" in said
    assert len(app.get("plotly_chart")) == 3
    shown = app.dataframe[0].value
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute("select sum(trips), count(*) from marts.mart_weather_effect").fetchone()
    assert (shown["trips"].sum(), len(shown)) == expected


@pytest.mark.slow
def test_another_period_changes_what_is_compared(on_demo: Settings) -> None:
    app = open_page("weather_impact")
    before = app.caption[0].value
    app.sidebar.selectbox(key="period").select("Last 7 days").run()
    assert_no_failure(app)
    assert app.caption[0].value.startswith("168 hours with weather in this period")
    assert app.caption[0].value != before
