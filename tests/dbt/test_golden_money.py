"""What the money marts say of the golden data, worked out by hand."""

from datetime import date
from decimal import Decimal

from dbt_support import rows

from data_stack.settings import Settings


def test_replaced_rows_are_not_facts(golden: Settings) -> None:
    found = {name for (name,) in rows(golden, "select transaction_id from core.fct_transactions")}
    # the later export covers Checking in February: what was pending there is gone; Card's February stays
    assert "pending" not in found
    assert {"posted", "other_account"} <= found
    assert len(found) == 10


def test_transaction_is_cleaned(golden: Settings) -> None:
    found = rows(
        golden,
        "select transaction_id, amount, direction, category, parent_category, account_mask, is_recurring, status"
        " from core.fct_transactions where transaction_id in ('groceries', 'refund', 'blank', 'rent') order by 1",
    )
    assert found == [
        ("blank", Decimal("10.00"), "out", "Uncategorised", "Uncategorised", "0034", False, "pending"),
        ("groceries", Decimal("80.50"), "out", "Groceries", "Food", "0034", False, "posted"),
        ("refund", Decimal("-20.50"), "in", "Groceries", "Food", "0034", False, "posted"),
        ("rent", Decimal("1200.00"), "out", "Rent", "Home", "0012", True, "posted"),
    ]


def test_spending(golden: Settings) -> None:
    found = rows(golden, "select * from marts.mart_spending_monthly order by month, parent_category, category")
    assert found == [
        # 80.50 - 20.50; the excluded 999.99 is not in it
        (date(2024, 1, 1), "Food", "Groceries", Decimal("60.00"), 2),
        (date(2024, 1, 1), "Home", "Rent", Decimal("1200.00"), 1),
        # pending counts
        (date(2024, 1, 1), "Uncategorised", "Uncategorised", Decimal("10.00"), 1),
        (date(2024, 2, 1), "Food", "Groceries", Decimal("30.00"), 1),
        # what posted, not what was pending
        (date(2024, 2, 1), "Food", "Restaurants", Decimal("46.10"), 1),
    ]


def test_cash_flow(golden: Settings) -> None:
    found = rows(golden, "select * from marts.mart_cash_flow_monthly order by month")
    assert found == [
        # 60 + 1200 + 10 spent; 3000 - 1270 = 1730; 1730 / 3000 = 0.57666...
        (date(2024, 1, 1), Decimal("3000.00"), Decimal("1270.00"), Decimal("1730.00"), 0.5767),
        # no income, so no rate: 30 + 46.10
        (date(2024, 2, 1), Decimal("0.00"), Decimal("76.10"), Decimal("-76.10"), None),
    ]


def test_notes_and_tags_stay_in_raw(golden: Settings) -> None:
    columns = {
        name
        for (name,) in rows(golden, "select column_name from duckdb_columns() where schema_name in ('core', 'marts')")
    }
    assert not columns & {"note", "tags", "recurring", "raw_text"}
