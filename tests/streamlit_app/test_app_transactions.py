"""Transactions: queries on values worked out by hand, drill-down, a search without wildcards."""

from datetime import date
from typing import Any

import pytest
from app_support import assert_no_failure, days, go_to, metrics, open_page, publication_of, publish_rows, read_text

from data_stack.palette import BLUE, GREY
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app import charts
from streamlit_app.app_pages.transactions import (
    CASH_FLOW_FIGURES,
    RECURRING_FIGURES,
    draw_bars,
    draw_cash_flow,
    draw_savings_rate,
    extend_to_months,
)
from streamlit_app.data import NothingToShowError, Warehouse, open_publication
from streamlit_app.figures import fetch_figures
from streamlit_app.filters import Period
from streamlit_app.queries import transactions as queries
from streamlit_app.queries.transactions import Selection

YEAR = Period(date(2024, 1, 1), date(2024, 12, 31))


def spent(number: int, day: str, amount: float, category: str, parent: str, **other: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"{number:03}",
        "date": date.fromisoformat(day),
        "name": f"Shop {number}",
        "amount": amount,
        "type": "regular",
        "status": "posted",
        "category": category,
        "parent_category": parent,
        "account": "Card",
        "is_excluded": False,
        "is_spending": True,
        **other,
    }


def month(day: str, parent: str, category: str, amount: float, transactions: int) -> dict[str, Any]:
    return {
        "month": date.fromisoformat(day),
        "parent_category": parent,
        "category": category,
        "amount": amount,
        "transactions": transactions,
        "is_complete": day != "2024-03-01",
    }


def flow(day: str, income: float, spending: float, rate: float | None, is_complete: bool = True) -> dict[str, Any]:
    return {
        "month": date.fromisoformat(day),
        "income": income,
        "spending": spending,
        "net": income - spending,
        "savings_rate": rate,
        "is_complete": is_complete,
    }


def recurring(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "type": "spending", "category": "Bills", "payments": 3, "last_amount": 10, **other}


MONEY = [
    spent(1, "2024-01-01", 30.10, "Groceries", "Food"),
    spent(2, "2024-01-31", -10.00, "Groceries", "Food"),
    spent(3, "2024-01-15", 500, "Groceries", "Food", is_excluded=True, is_spending=False),
    spent(4, "2024-01-16", 400, "Groceries", "Food", type="internal transfer", is_spending=False),
    spent(5, "2024-02-10", 8.50, "Coffee", "Food"),
    spent(6, "2024-02-20", 700, "Rent", "Home"),
    spent(7, "2024-03-05", 5.25, "Coffee", "Food"),
    spent(8, "2024-03-05", -1000, "Paycheck", "Income", type="income", is_spending=False),
]
BY_MONTH = [
    month("2024-01-01", "Food", "Groceries", 20.10, 2),
    month("2024-02-01", "Food", "Coffee", 8.50, 1),
    month("2024-02-01", "Home", "Rent", 700, 1),
    month("2024-03-01", "Food", "Coffee", 5.25, 1),
]
FLOWS = [
    flow("2024-01-01", 1000, 20.10, 0.9799),
    flow("2024-02-01", 0, 708.50, None),
    flow("2024-03-01", 1000, 5.25, 0.9948, is_complete=False),
]
RECURRING = [
    recurring("Gym", monthly_amount=40, is_active=False, cadence="monthly"),
    recurring("Lucky", is_active=None, cadence="irregular"),
    recurring("Phone", monthly_amount=45.50, amount_change=-4.5, is_active=True, cadence="monthly"),
    recurring("Rent", monthly_amount=700, amount_change=50, is_active=True, cadence="monthly"),
    recurring("Salary", type="income", monthly_amount=1000, is_active=True, cadence="monthly"),
]
ALL = {
    queries.TRANSACTIONS: MONEY,
    queries.SPENDING: BY_MONTH,
    queries.CASH_FLOW: FLOWS,
    queries.RECURRING: RECURRING,
}


@pytest.fixture(scope="module")
def warehouse(shared: Settings) -> Warehouse:
    return publication_of(shared, ALL)


@pytest.fixture
def on_all(warehouse: Warehouse, shared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page reads the publication of `warehouse`."""
    monkeypatch.setenv("DATA_DIR", str(shared.data_dir))


@pytest.fixture(scope="module")
def hobbies(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A publication with hostile names, and one transaction without a name."""
    rows = [spent(n, "2024-01-01", 1, "Hobbies", "Lifestyle", name=name) for n, name in enumerate(HOSTILE)]
    rows += [spent(99, "2024-01-01", 1, "Rent", "Home", name=None)]
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("hobbies") / "data")
    return publication_of(settings, {queries.TRANSACTIONS: rows})


def test_a_period_becomes_the_months_that_it_touches() -> None:
    cut = Period(date(2023, 12, 31), date(2024, 2, 1))
    assert extend_to_months(cut) == Period(date(2023, 12, 1), date(2024, 2, 29))
    assert extend_to_months(YEAR) == YEAR


@pytest.mark.integration
def test_the_days_there_are(warehouse: Warehouse) -> None:
    assert queries.get_bounds(warehouse) == Period(date(2024, 1, 1), date(2024, 3, 5))


def test_no_transaction_is_a_message(settings: Settings) -> None:
    with pytest.raises(NothingToShowError, match="no transaction is loaded"):
        queries.get_bounds(publication_of(settings, {}))


def test_cash_flow_says_which_month_may_be_partial(warehouse: Warehouse) -> None:
    assert queries.get_cash_flow(warehouse, YEAR).rows() == [
        (date(2024, 1, 1), 1000.0, 20.10, 979.90, 0.9799, True),
        (date(2024, 2, 1), 0.0, 708.50, -708.50, None, True),
        (date(2024, 3, 1), 1000.0, 5.25, 994.75, 0.9948, False),
    ]


def test_totals_are_of_complete_months(warehouse: Warehouse) -> None:
    # 1000 - 20.10 - 708.50 = 271.40
    found = fetch_figures(warehouse, CASH_FLOW_FIGURES, YEAR)
    assert found == dict(zip(CASH_FLOW_FIGURES, (1000.0, 728.60, 271.40, 0.2714), strict=True))
    march = Period(date(2024, 3, 1), date(2024, 3, 31))
    assert set(fetch_figures(warehouse, CASH_FLOW_FIGURES, march).values()) == {None}
    february = Period(date(2024, 2, 1), date(2024, 2, 29))
    assert fetch_figures(warehouse, CASH_FLOW_FIGURES, february)["savings_rate"] is None


def test_categories_stand_below_their_parent(warehouse: Warehouse) -> None:
    assert queries.list_categories(warehouse) == [
        Selection("Food"),
        Selection("Food", "Coffee"),
        Selection("Food", "Groceries"),
        Selection("Home"),
        Selection("Home", "Rent"),
    ]


def test_spending_from_parent_to_transaction(warehouse: Warehouse) -> None:
    assert queries.get_bars(warehouse, YEAR, "").rows() == [("Home", 700.0), ("Food", 33.85)]
    assert queries.get_bars(warehouse, YEAR, "Food").rows() == [("Groceries", 20.10), ("Coffee", 13.75)]
    assert queries.get_category_spending(warehouse, YEAR, "Food").rows() == [
        ("Food", "Groceries", 20.10, 2),
        ("Food", "Coffee", 13.75, 2),
    ]
    assert queries.get_monthly_spending(warehouse, YEAR, Selection("Food", "Coffee")).rows() == [
        (date(2024, 2, 1), 8.50),
        (date(2024, 3, 1), 5.25),
    ]
    assert queries.get_monthly_spending(warehouse, YEAR, Selection())["amount"].to_list() == [20.10, 708.50, 5.25]


def test_spent_are_the_transactions_that_the_mart_counts(warehouse: Warehouse) -> None:
    found = queries.get_spending_transactions(warehouse, YEAR, Selection("Food", "Groceries"))
    assert found.frame["name"].to_list() == ["Shop 2", "Shop 1"]
    assert (found.count, round(found.frame["amount"].sum(), 2)) == (2, 20.10)
    assert queries.get_spending_transactions(warehouse, YEAR, Selection()).count == 5
    assert queries.get_spending_transactions(warehouse, YEAR, Selection("Food", "Rent")).count == 0


@pytest.mark.slow
def test_spent_and_the_mart_agree_on_the_demo(on_demo: Settings) -> None:
    warehouse = open_publication(on_demo.warehouse_file)
    for chosen in queries.list_categories(warehouse):
        found = queries.get_spending_transactions(warehouse, YEAR, chosen)
        by_month = queries.get_monthly_spending(warehouse, YEAR, chosen)["amount"].sum()
        assert found.count <= queries.ROWS_MAX
        assert found.frame["amount"].sum() == pytest.approx(by_month, abs=0.005), chosen


def test_a_table_has_the_latest_and_the_number_of_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "ROWS_MAX", 3)
    found = queries.get_spending_transactions(publication_of(settings, ALL), YEAR, Selection())
    assert (found.frame["name"].to_list(), found.count) == (["Shop 7", "Shop 6", "Shop 5"], 5)
    assert "The latest 3 of 5; choose a shorter period or a category to see the others." in read_text(
        open_page("transactions")
    )


def test_recurring_payments_come_active_first(warehouse: Warehouse) -> None:
    frame = queries.get_recurring(warehouse)
    assert list(zip(frame["name"], frame["state"], strict=True)) == [
        ("Rent", "active"),
        ("Phone", "active"),
        ("Salary", "active"),
        ("Gym", "ended"),
        ("Lucky", "nothing expected"),
    ]
    assert frame["amount_change"].to_list() == [50.0, -4.5, None, None, None]
    assert fetch_figures(warehouse, RECURRING_FIGURES) == dict(zip(RECURRING_FIGURES, (745.50, 1000.0, 3), strict=True))


HOSTILE = [
    "100% cotton",
    "under_score",
    "O'Neill's",
    'the "Grill"',
    "back\\slash",
    "Café Zürich",
    "'; drop table core.fct_transactions; --",
]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%", ["100% cotton"]),
        ("100% c", ["100% cotton"]),
        ("_", ["under_score", HOSTILE[6]]),
        ("r_s", ["under_score"]),
        ("o'neill'", ["O'Neill's"]),
        ('"grill"', ['the "Grill"']),
        ("\\", ["back\\slash"]),
        ("CAFÉ Z", ["Café Zürich"]),
        ("'; drop table", [HOSTILE[6]]),
        ("' or 1=1 --", []),
        ("$text", []),
        ("lifestyle", HOSTILE),
        ("hob", HOSTILE),
    ],
)
def test_a_text_is_searched_as_it_is(hobbies: Warehouse, typed: str, expected: list[str]) -> None:
    found = queries.search_transactions(hobbies, YEAR, typed)
    assert (found.frame["name"].to_list(), found.count) == (expected, len(expected))


def test_search_finds_every_type_within_the_days(warehouse: Warehouse) -> None:
    assert queries.search_transactions(warehouse, YEAR, "grocer").frame["name"].to_list() == [
        "Shop 2",
        "Shop 4",
        "Shop 3",
        "Shop 1",
    ]
    january = Period(date(2024, 1, 16), date(2024, 1, 30))
    assert queries.search_transactions(warehouse, january, "grocer").frame["type"].to_list() == ["internal transfer"]


def test_figures_of_money(warehouse: Warehouse) -> None:
    frame = queries.get_cash_flow(warehouse, YEAR)
    months = Period(date(2023, 12, 1), date(2024, 3, 31))
    figure = draw_cash_flow(frame, months)
    assert [trace.name for trace in figure.data] == ["Income", "Spending", "Net"]
    assert figure.data[0].marker.pattern.shape == ("", "", "/")
    assert figure.layout.yaxis.title.text == "Amount per month"
    assert list(figure.data[2].x) == ["Jan 2024", "Feb 2024", "Mar 2024"]
    # a month without a row keeps its place
    assert list(figure.layout.xaxis.categoryarray) == ["Dec 2023", "Jan 2024", "Feb 2024", "Mar 2024"]
    assert list(draw_cash_flow(frame, Period(date(2023, 1, 1), date(2024, 3, 31))).layout.xaxis.tickvals)[:2] == [
        "Jan 2023",
        "Mar 2023",
    ]
    assert list(draw_savings_rate(frame.filter("is_complete"), months).data[0].y) == [0.9799, None]
    bars = draw_bars(queries.get_bars(warehouse, YEAR, "Food"), "Coffee")
    assert list(bars.data[0].marker.color) == [GREY, BLUE]


def test_names_are_not_read_as_html_by_a_chart() -> None:
    assert charts.escape_label('<b>Food & "Drink"</b>') == '&lt;b&gt;Food &amp; "Drink"&lt;/b&gt;'


def test_the_page_reports_which_months_are_complete(on_all: None) -> None:
    app = open_page("transactions", period="All days")
    assert_no_failure(app)
    said = read_text(app)
    assert "Mar 2024 may be incomplete and is hatched: the exports do not cover every day of every account." in said
    assert "Over 2 complete months, without" in said
    assert metrics(app) == {
        "Income": ("1,000.00", ""),
        "Spending": ("728.60", ""),
        "Net": ("271.40", ""),
        "Savings rate": ("27.1 %", ""),
        "Recurring spending per month": ("745.50", ""),
        "Recurring income per month": ("1,000.00", ""),
        "Active payments": ("3", ""),
    }


def test_a_drill_down_to_the_transactions(on_all: None) -> None:
    app = open_page("transactions", period="All days")
    assert "##### Transactions of all categories, Jan 2024 to Mar 2024" in read_text(app)
    options = next(box for box in app.sidebar.selectbox if box.label == "Category")
    assert options.options == ["All categories", "Food", "Food / Coffee", "Food / Groceries", "Home", "Home / Rent"]
    options.set_value("Food").run()
    assert "##### Spending in Food by category, Jan 2024 to Mar 2024" in read_text(app)
    next(box for box in app.sidebar.selectbox if box.label == "Category").set_value("Food / Coffee").run()
    assert_no_failure(app)
    assert "##### Spending by month, Food / Coffee" in read_text(app)
    tables = [table.value for table in app.dataframe]
    assert [table["name"].tolist() for table in tables if "status" in table] == [["Shop 7", "Shop 5"]]
    # the choice survives a change of page
    assert "Transactions of Food / Coffee" in read_text(go_to(go_to(app, "home"), "transactions"))


def test_an_unknown_category_in_the_url_is_reported(on_all: None) -> None:
    app = open_page("transactions", category="<b>'; drop")
    assert_no_failure(app)
    assert "Category: the URL contains a value that is invalid or not loaded. It is ignored." in read_text(app)


def test_a_search_shows_what_it_finds(settings: Settings) -> None:
    rows = [*MONEY, spent(9, "2024-02-01", 3, "Books", "Fun", name='100% _O\'Neill_ "x"')]
    publish_rows(settings, ALL | {queries.TRANSACTIONS: rows})
    app = open_page("transactions", period="All days")
    assert "Type a part of a name or of a category into the search field of the sidebar." in read_text(app)
    app.sidebar.text_input[0].set_value("% _o'neill_ \"").run()
    assert_no_failure(app)
    assert "1 found with “% \\_o'neill\\_ \"”" in read_text(app)
    assert app.dataframe[-1].value["name"].tolist() == ['100% _O\'Neill_ "x"']
    app.sidebar.text_input[0].set_value("nobody has this").run()
    assert "No transaction from 1 Jan 2024 to 5 Mar 2024 contains this text; change it or the period." in read_text(app)


@pytest.mark.integration
def test_a_text_in_the_url_becomes_one_line(settings: Settings) -> None:
    publish_rows(settings, ALL)
    app = open_page("transactions", period="All days", search="shop\n\n# [x](y)")
    assert_no_failure(app)
    publish_rows(settings, ALL | {queries.TRANSACTIONS: [spent(1, "2024-02-01", 1, "A\n# B", "*P*")]})
    app = open_page("transactions", period="All days", search="a\n# b")
    assert "##### 1 found with “a # b”, 1 Feb 2024 to 1 Feb 2024" in read_text(app)


def test_names_of_categories_are_not_read_as_markdown(settings: Settings) -> None:
    publish_rows(settings, ALL | {queries.SPENDING: [month("2024-02-01", "*P*", "A\n# [B](c)", 1, 1)]})
    said = read_text(open_page("transactions", period="All days", category="*P* / A\n# [B](c)"))
    assert "##### Spending in \\*P\\* by category" in said
    assert "##### Spending by month, \\*P\\* / A # \\[B\\](c)" in said


def test_a_category_without_spending_in_the_period_is_a_message(on_all: None) -> None:
    app = open_page("transactions", **days("2024-01-01", "2024-01-31"), category="Food / Coffee")
    assert_no_failure(app)
    assert "No spending in these months and this category; choose others in the sidebar." in read_text(app)
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("table", [queries.CASH_FLOW, queries.SPENDING, queries.RECURRING])
@pytest.mark.integration
def test_a_publication_without_a_mart_shows_the_rest(settings: Settings, table: str) -> None:
    publish_rows(settings, {name: rows for name, rows in ALL.items() if name != table}, leave_out=[table])
    app = open_page("transactions", period="All days", search="shop")
    assert_no_failure(app)
    assert f"The publication has no `{table}`; `data-stack run` builds and publishes it." in read_text(app)
    assert "8 found with “shop”" in read_text(app)
    assert len(app.dataframe) >= 3


def test_marts_without_rows_are_messages(settings: Settings) -> None:
    publish_rows(settings, {queries.TRANSACTIONS: MONEY})
    app = open_page("transactions", period="All days")
    assert_no_failure(app)
    for message in (
        "No income and no spending in these months; choose another period in the sidebar.",
        "No spending in these months and this category; choose others in the sidebar.",
        "The exports name no recurring payment",
    ):
        assert message in read_text(app)
    assert not app.get("plotly_chart")


@pytest.mark.slow
def test_the_page_on_the_demo(on_demo: Settings) -> None:
    app = open_page("transactions", **days("2024-06-10", "2024-08-20"), category="Food & Drink")
    assert_no_failure(app)
    with open_warehouse(on_demo.warehouse_file) as db:
        income, spending = db.execute(
            "select sum(income), sum(spending) from marts.mart_cash_flow_monthly"
            " where month between '2024-06-01' and '2024-08-01'"
        ).fetchone()
        food = db.execute(
            "select sum(amount) from core.fct_transactions where type = 'regular' and not is_excluded"
            " and parent_category = 'Food & Drink' and date between '2024-06-01' and '2024-08-31'"
        ).fetchone()[0]
    shown = metrics(app)
    assert (shown["Income"][0], shown["Spending"][0]) == (f"{income:,.2f}", f"{spending:,.2f}")
    by_category = next(table.value for table in app.dataframe if "share" in table.value)
    assert by_category["amount"].sum() == pytest.approx(float(food), abs=0.005)
    assert by_category["share"].sum() == pytest.approx(1)
    assert "Over 3 complete months, without" in read_text(app)
    assert len(app.get("plotly_chart")) == 4
