"""The card of transactions on the start page: months and their change on values worked out by hand."""

from datetime import date
from typing import Any

import pytest
from app_support import assert_no_failure, metrics, open_page, publication_of, publish_rows

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from streamlit_app.queries import transactions_home as queries

MONEY, CASH_FLOW = "core.fct_transactions", "marts.mart_cash_flow_monthly"


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
    found = queries.get_last_months(publication_of(settings, {CASH_FLOW: cash_flow}))
    assert tuple(month and str(month.month) for month in found) == expected


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


@pytest.mark.slow
def test_the_card_on_the_demo(on_demo: Settings) -> None:
    app = open_page("home")
    assert_no_failure(app)
    with open_warehouse(on_demo.warehouse_file) as db:
        spending = db.execute(
            "select sum(amount) from core.fct_transactions"
            " where type = 'regular' and not is_excluded and date between '2024-12-01' and '2024-12-31'"
        ).fetchone()[0]
    assert metrics(app)["Spending, Dec 2024"][0] == f"{spending:,.2f}"
