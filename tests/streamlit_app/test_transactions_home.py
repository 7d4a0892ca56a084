"""The card of transactions on the start page: months and their change on values worked out by hand."""

from collections.abc import Container
from datetime import date
from typing import Any

import pytest
from app_support import assert_no_failure, metrics, open_page, publish_rows, read_text

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse

MONEY = "core.fct_transactions"


def months(*nets: tuple[str, int, int], complete: Container[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Rows of income and spending by month, of which all are complete unless said otherwise, by table."""
    rows = [
        {
            "month": date.fromisoformat(month),
            "income": income,
            "spending": spending,
            "net": income - spending,
            "is_complete": complete is None or month in complete,
        }
        for month, income, spending in nets
    ]
    spent = [{"month": row["month"], "amount": row["spending"], "is_complete": row["is_complete"]} for row in rows]
    return {"marts.mart_cash_flow_monthly": rows, "marts.mart_spending_monthly": spent}


def spent_on(*days: str) -> list[dict[str, Any]]:
    return [{"transaction_id": day, "date": date.fromisoformat(day)} for day in days]


@pytest.mark.parametrize(
    ("complete", "shown", "said"),
    [
        (["2024-02-01", "2024-03-01"], "Net, Mar 2024", "Compared with Feb 2024."),
        # January has no money of either kind
        (["2023-12-01", "2024-02-01"], "Net, Feb 2024", "No comparison: the month before is missing or not complete."),
        (["2023-12-01", "2024-03-01"], "Net, Mar 2024", "No comparison: the month before is missing or not complete."),
        ([], None, "No month of transactions is complete yet; `data-stack run` loads later exports."),
    ],
)
@pytest.mark.integration
def test_the_last_complete_month_and_the_one_before(
    settings: Settings, complete: list[str], shown: str | None, said: str
) -> None:
    rows = months(("2023-12-01", 9, 8), ("2024-02-01", 7, 6), ("2024-03-01", 5, 4), complete=complete)
    publish_rows(settings, {MONEY: spent_on("2024-03-31"), **rows})
    app = open_page("home")
    assert_no_failure(app)
    assert [label for label in metrics(app) if label.startswith("Net")] == ([shown] if shown else [])
    assert said in read_text(app)


def test_money_of_the_last_complete_month(settings: Settings) -> None:
    rows = months(("2024-01-01", 3000, 2000), ("2024-02-01", 3000, 2500))
    publish_rows(settings, {MONEY: spent_on("2024-02-29"), **rows})
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
