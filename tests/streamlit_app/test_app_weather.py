"""Weather: the query on values worked out by hand, days with missing hours, the page on the demo."""

from datetime import date

import pytest
from app_support import assert_no_failure, days, metrics, open_page, publication_of, publish_rows, read_text
from sources.weather.pages import weather_day, weather_hours

from data_stack.palette import GREY
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.app_pages.weather import draw_amounts
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import weather as queries

HOURS = "core.fct_weather_hourly"
PERIOD = Period(date(2024, 1, 1), date(2024, 1, 5))


MISSING = {f"temperature_c_{name}": None for name in ("mean", "min", "max")} | {"precipitation_mm": None}
DAYS = [
    # (0 + ... + 22 + 25) / 24
    weather_day("2024-01-01", 278 / 24, temperature_c_min=0.0, temperature_c_max=25.0),
    weather_day("2024-01-02", -2.0, precipitation_mm=12.0, snowfall_cm=6.0),
    weather_day("2024-01-03", **MISSING, snowfall_cm=None, missing_hours=4),
    weather_day("2024-01-04", **MISSING, snowfall_cm=None, missing_hours=24),
    # only the precipitation of one hour is missing
    weather_day("2024-01-05", 4.0, precipitation_mm=None, missing_hours=1),
]


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    """A complete day, one with rain and snow, one with missing hours, one without any, one without a sum of rain."""
    hours = weather_hours("2024-01-01 05:00", [0.0])
    return publication_of(shared, {HOURS: hours, queries.DAILY: DAYS})


def test_bounds_are_the_days_of_the_mart(warehouse: Warehouse) -> None:
    assert queries.get_bounds(warehouse) == PERIOD


def test_without_a_day_there_is_a_message(settings: Settings) -> None:
    with pytest.raises(NothingToShowError, match="no hour has a known value yet"):
        queries.get_bounds(publication_of(settings, {}))


def test_days_without_a_value_are_rows(warehouse: Warehouse) -> None:
    assert queries.get_days(warehouse, PERIOD).to_dicts() == DAYS
    second = Period(date(2024, 1, 2), date(2024, 1, 2))
    assert queries.get_days(warehouse, second).to_dicts() == DAYS[1:2]


def test_key_figures_and_what_is_missing(settings: Settings, warehouse: Warehouse, shared: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    settings.warehouse_file.write_bytes(shared.warehouse_file.read_bytes())
    app = open_page("weather", period="All days")
    assert_no_failure(app)
    assert {label: value for label, (value, _) in metrics(app).items()} == {
        # (278 / 24 - 2 + 4) / 3
        "Mean temperature": "4.5 °C",
        "Lowest temperature": "-2.0 °C",
        "Highest temperature": "25.0 °C",
        "Precipitation": "12.0 mm",
        "Snowfall": "6.0 cm",
        "Missing hours": "29",
    }
    said = read_text(app)
    assert "3 of the 5 days have hours without a value. A missing hour is not zero" in said
    for title in ("Temperature per day", "Precipitation per day", "Snowfall per day", "Days"):
        assert f"##### {title}, 1 Jan 2024 to 5 Jan 2024" in said
    assert len(app.get("plotly_chart")) == 3
    shown = app.dataframe[0].value
    assert shown["missing_hours"].tolist() == [1, 24, 4, 0, 0]
    assert shown["precipitation_mm"].isna().tolist() == [True, True, True, False, False]


def test_missing_days_are_marked_and_are_no_bars_of_zero(warehouse: Warehouse) -> None:
    figure = draw_amounts(queries.get_days(warehouse, PERIOD), "precipitation_mm", "Precipitation (mm)", "mm")
    bars, marks = figure.data
    assert list(bars.y) == [0.0, 12.0, None, None, None]
    assert list(marks.x) == [date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5)]
    assert (marks.name, marks.marker.color) == ("Missing", GREY)
    complete = queries.get_days(warehouse, Period(date(2024, 1, 1), date(2024, 1, 2)))
    assert len(draw_amounts(complete, "precipitation_mm", "Precipitation (mm)", "mm").data) == 1


def test_a_period_of_missing_hours_has_messages_instead_of_charts(settings: Settings) -> None:
    unknown = weather_day("2024-01-01", **MISSING, snowfall_cm=None, missing_hours=4)
    publish_rows(settings, {HOURS: weather_hours("2024-01-01 05:00", [1.0] * 20), queries.DAILY: [unknown]})
    app = open_page("weather")
    assert_no_failure(app)
    said = read_text(app)
    assert "No day of this period has a temperature for every hour; choose another period in the sidebar." in said
    assert "No day of this period has its precipitation for every hour; choose another period in the sidebar." in said
    shown = metrics(app)
    assert shown.pop("Missing hours")[0] == "4"
    assert {value for value, _ in shown.values()} == {"-"}
    assert not app.get("plotly_chart")


def test_the_chosen_days_are_part_of_the_url(settings: Settings) -> None:
    rows = [weather_day(f"2024-01-0{number}") for number in (1, 2, 3)]
    publish_rows(settings, {HOURS: weather_hours("2024-01-01 05:00", [1.0] * 72), queries.DAILY: rows})
    app = open_page("weather", **days("2024-01-02", "2024-01-03"))
    assert_no_failure(app)
    assert app.query_params == days("2024-01-02", "2024-01-03")
    assert len(app.dataframe[0].value) == 2
    assert "Snowfall per day" not in read_text(app)


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("weather", **days("2024-06-01", "2024-06-30"))
    assert_no_failure(app)
    with open_warehouse(on_demo.warehouse_file) as db:
        expected = db.execute(
            "select avg(temperature_c), min(temperature_c), max(temperature_c), sum(precipitation_mm)"
            f" from {HOURS} where date_local between '2024-06-01' and '2024-06-30'"
        ).fetchone()
    mean, low, high, rain = expected
    shown = metrics(app)
    assert shown["Mean temperature"][0] == f"{mean:.1f} °C"
    assert shown["Lowest temperature"][0] == f"{low:.1f} °C"
    assert shown["Highest temperature"][0] == f"{high:.1f} °C"
    assert shown["Precipitation"][0] == f"{rain:,.1f} mm"
    assert shown["Missing hours"][0] == "0"
