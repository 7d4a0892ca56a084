"""The start page: figures and their change on values worked out by hand, what is loaded, the last run."""

from datetime import date
from typing import Any

import pytest
from app_support import (
    assert_no_failure,
    days,
    demand_days,
    metrics,
    open_page,
    publication_of,
    publish_rows,
    read_text,
    record_load,
    rides,
)

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import home

DAILY, TRIPS, MONEY, CASH_FLOW = (
    "marts.mart_demand_daily",
    "core.fct_trips",
    "core.fct_transactions",
    "marts.mart_cash_flow_monthly",
)
BIKE = {TRIPS: rides("2024-01-01")}


def months(*nets: tuple[str, int, int]) -> list[dict[str, Any]]:
    return [
        {
            "month": date.fromisoformat(month),
            "income": income,
            "spending": spending,
            "net": income - spending,
            "is_complete": True,
        }
        for month, income, spending in nets
    ]


def spent_on(*days: str) -> list[dict[str, Any]]:
    return [{"transaction_id": day, "date": date.fromisoformat(day)} for day in days]


def test_figures_of_a_period_are_of_its_complete_days(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10, 20, 600], temperature_c_mean=4.0)
    rows[2]["is_complete"] = False
    rows[1] |= {"member_trips": 17, "casual_trips": 1, "known_rider_trips": 18, "temperature_c_mean": 7.0}
    warehouse = publication_of(settings, {DAILY: rows})
    found = home.get_demand(warehouse, Period(date(2024, 1, 1), date(2024, 1, 3)))
    # members 5 + 17 of known riders 10 + 18; two riders are of unknown kind
    assert found == home.Demand(days=2, trips=30, trips_per_day=15.0, member_share=22 / 28, temperature_c=5.5)


def test_a_temperature_needs_every_day_and_no_day_has_no_figures(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10, 20], temperature_c_mean=4.0)
    rows[1]["temperature_c_mean"] = None
    warehouse = publication_of(settings, {DAILY: rows})
    assert home.get_demand(warehouse, Period(date(2024, 1, 1), date(2024, 1, 2))).temperature_c is None
    empty = home.get_demand(warehouse, Period(date(2023, 1, 1), date(2023, 1, 2)))
    assert empty == home.Demand(0, 0, None, None, None)


def test_the_mean_of_seven_days_needs_seven_days(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [7, 7, 7, 7, 7, 7, 14, 21, 28])
    rows[7]["is_complete"] = False
    frame = home.get_trend(publication_of(settings, {DAILY: rows}), Period(date(2024, 1, 6), date(2024, 1, 9)))
    assert frame.rows() == [(date(2024, 1, 6), 7, None), (date(2024, 1, 7), 14, 8.0), (date(2024, 1, 9), 28, None)]


@pytest.mark.parametrize(
    ("complete", "expected"),
    [
        (["2024-02-01", "2024-03-01"], ("2024-03-01", "2024-02-01")),
        # January has no money of either kind
        (["2023-12-01", "2024-02-01"], ("2024-02-01", None)),
        (["2023-12-01", "2024-03-01"], ("2024-03-01", None)),
        ([], (None, None)),
    ],
)
@pytest.mark.integration
def test_the_last_complete_month_and_the_one_before(
    settings: Settings, complete: list[str], expected: tuple[str | None, str | None]
) -> None:
    cash_flow = months(("2023-12-01", 9, 8), ("2024-02-01", 7, 6), ("2024-03-01", 5, 4))
    for row in cash_flow:
        row["is_complete"] = str(row["month"]) in complete
    found = home.get_last_months(publication_of(settings, {CASH_FLOW: cash_flow}))
    assert tuple(month and str(month.month) for month in found) == expected


def test_the_change_is_against_the_days_directly_before(settings: Settings) -> None:
    rows = demand_days("2024-01-01", [10] * 7 + [15] * 7, temperature_c_mean=1.0)
    for row in rows[7:]:
        row |= {"member_trips": 12, "casual_trips": 3, "temperature_c_mean": 3.5}
    publish_rows(settings, BIKE | {DAILY: rows})
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
    publish_rows(settings, BIKE | {DAILY: rows})
    app = open_page("home", period="Last 7 days")
    assert {delta for _, delta in metrics(app).values()} == {""}
    now, before = (7, 6) if cut == 3 else (6, 7)
    said = f"No comparison: {now} of the 7 chosen days and {before} of the 7 days before them are complete."
    assert said in read_text(app)


def test_money_of_the_last_complete_month(settings: Settings) -> None:
    cash_flow = months(("2024-01-01", 3000, 2000), ("2024-02-01", 3000, 2500))
    publish_rows(settings, {MONEY: spent_on("2024-02-29"), CASH_FLOW: cash_flow})
    app = open_page("home")
    assert_no_failure(app)
    assert metrics(app) == {
        "Income, Feb 2024": ("3,000.00", "0.0 %"),
        "Spending, Feb 2024": ("2,500.00", "+25.0 %"),
        "Net, Feb 2024": ("500.00", "-50.0 %"),
    }
    assert "Citi Bike trips: nothing is loaded; `data-stack run --sources bike`" in read_text(app).replace("\\", "")


def test_what_is_loaded_by_source(settings: Settings) -> None:
    record_load(settings, "bike", days_ago=400)
    record_load(settings, "weather", days_ago=1)
    weather = [{"date_local": date(2024, 2, 3), "temperature_c": 1.0}]
    publish_rows(settings, BIKE | {"core.fct_weather_hourly": weather})
    shown = open_page("home").dataframe[0].value
    assert shown["source"].tolist() == [source.title for source in SOURCES]
    rows = {row["source"]: (row["rows"], str(row["data_through"])[:10], row["state"]) for _, row in shown.iterrows()}
    assert rows["Citi Bike trips"] == (1, "2024-01-01", "stale")
    assert rows["Open-Meteo hourly weather"] == (1, "2024-02-03", "loaded")
    assert rows["Bank transactions"] == (0, "NaT", "nothing loaded")


def test_a_failed_run_shows_although_it_published_nothing(settings: Settings) -> None:
    publish_rows(settings, BIKE)
    ops = Ops(settings.ops_dir)
    with pytest.raises(TerminalError), ops.run("run", ["bike"]):
        raise TerminalError("critical: ride_id_is_unique fails")
    app = open_page("home")
    assert "`run` of" in read_text(
        app
    ) and "failed; fix the reported problem and run `data-stack run` again" in read_text(app)
    assert "critical: ride_id_is_unique fails" in [text.value for text in app.text]
    with ops.run("publish", []):
        assert "is still running" in read_text(app.run())


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("home", **days("2024-09-01", "2024-09-30"))
    assert_no_failure(app)
    with open_warehouse(on_demo.warehouse_file) as db:
        now, before = (
            db.execute("select count(*) from core.fct_trips where date_local between ? and ?", list(ends)).fetchone()[0]
            for ends in (("2024-09-01", "2024-09-30"), ("2024-08-02", "2024-08-31"))
        )
        spending = db.execute(
            "select sum(amount) from core.fct_transactions"
            " where type = 'regular' and not is_excluded and date between '2024-12-01' and '2024-12-31'"
        ).fetchone()[0]
    shown = metrics(app)
    assert shown["Trips"] == (f"{now:,}", f"{100 * (now / before - 1):+.1f} %")
    assert shown["Spending, Dec 2024"][0] == f"{spending:,.2f}"
    assert "The last run, `run` of" in read_text(app) and "succeeded." in read_text(app)
    assert set(app.dataframe[0].value["state"]) == {"loaded"}
