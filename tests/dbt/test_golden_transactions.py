"""The money marts of the golden data, compared with values computed by hand."""

from datetime import date
from decimal import Decimal

from dbt_support import rows
from sources.transactions.golden import exports, find_transactions_that_count

from data_stack.settings import Settings


def test_replaced_rows_are_not_facts(golden: Settings) -> None:
    found = {name for (name,) in rows(golden, "select transaction_id from core.fct_transactions")}
    # the later export covers Checking in February: what was pending there is gone; Card's February stays
    assert "pending" not in found
    assert {"posted", "other_account"} <= found
    # a later export posts the pending subscription, under another date
    assert "stream_pending" not in found
    assert found == find_transactions_that_count(exports())
    assert len(found) == 22


def test_pending_payments_are_matched_one_to_one(golden: Settings) -> None:
    found = rows(golden, "select transaction_id from core.fct_transactions where account = 'Metro' order by 1")
    assert [name for (name,) in found] == [
        # both bus fares posted, each in the next month's export
        *("bus_posted_1", "bus_posted_2"),
        # one pending fare, paid twice
        *("ferry_posted_1", "ferry_posted_2"),
        # two equal pending fares, of which the first posted
        *("tap_2", "tap_posted"),
        # 21 days before the posting, which is that of the second toll
        *("toll_1", "toll_posted"),
    ]


def test_transaction_is_cleaned(golden: Settings) -> None:
    found = rows(
        golden,
        "select transaction_id, amount, direction, category, parent_category, account_mask, is_recurring,"
        " recurring_name, status"
        " from core.fct_transactions where transaction_id in ('groceries', 'refund', 'blank', 'rent') order by 1",
    )
    assert found == [
        ("blank", Decimal("10.00"), "out", "Uncategorised", "Uncategorised", "0034", False, None, "pending"),
        ("groceries", Decimal("80.50"), "out", "Groceries", "Food", "0034", False, None, "posted"),
        ("refund", Decimal("-20.50"), "in", "Groceries", "Food", "0034", False, None, "posted"),
        ("rent", Decimal("1200.00"), "out", "Rent", "Home", "0012", True, "Rent", "posted"),
    ]


def test_transactions_that_count(golden: Settings) -> None:
    found = rows(
        golden,
        "select is_spending, is_income, list(transaction_id order by transaction_id) from core.fct_transactions"
        " group by all order by 1, 2",
    )
    assert found == [
        (False, False, ["excluded", "transfer_in", "transfer_out"]),
        (False, True, ["salary"]),
        # pending ("blank") and refunds too
        (
            True,
            False,
            [
                *("blank", "bus_posted_1", "bus_posted_2", "ferry_posted_1", "ferry_posted_2"),
                *("groceries", "other_account", "posted", "refund", "rent"),
                *("stream_april", "stream_march", "stream_may", "stream_refund"),
                *("tap_2", "tap_posted", "toll_1", "toll_posted"),
            ],
        ),
    ]


def test_coverage_by_account_and_month(golden: Settings) -> None:
    found = rows(golden, "select * exclude account_mask from core.fct_transaction_coverage_monthly order by 1, 2")
    assert found == [
        ("Card", date(2024, 1, 1), 27, date(2024, 1, 31), False),
        ("Card", date(2024, 2, 1), 12, date(2024, 2, 12), False),
        # the second export has the whole of February
        ("Checking", date(2024, 1, 1), 27, date(2024, 1, 31), False),
        ("Checking", date(2024, 2, 1), 29, date(2024, 2, 29), True),
        ("Joint", date(2024, 3, 1), 31, date(2024, 3, 31), True),
        # no row of its own is left in April, but the exports cover it
        ("Joint", date(2024, 4, 1), 30, date(2024, 4, 30), True),
        ("Joint", date(2024, 5, 1), 31, date(2024, 5, 31), True),
        ("Joint", date(2024, 6, 1), 20, date(2024, 6, 20), False),
        ("Metro", date(2024, 7, 1), 31, date(2024, 7, 31), True),
        ("Metro", date(2024, 8, 1), 31, date(2024, 8, 31), True),
        ("Metro", date(2024, 9, 1), 30, date(2024, 9, 30), True),
    ]


def test_spending(golden: Settings) -> None:
    found = rows(golden, "select * from marts.mart_spending_monthly order by month, parent_category, category")
    assert found == [
        # 80.50 - 20.50; the excluded 999.99 is not in it
        (date(2024, 1, 1), "Food", "Groceries", Decimal("60.00"), 2, False),
        (date(2024, 1, 1), "Home", "Rent", Decimal("1200.00"), 1, False),
        # pending counts
        (date(2024, 1, 1), "Uncategorised", "Uncategorised", Decimal("10.00"), 1, False),
        (date(2024, 2, 1), "Food", "Groceries", Decimal("30.00"), 1, False),
        # the posted amount, not the pending one
        (date(2024, 2, 1), "Food", "Restaurants", Decimal("46.10"), 1, False),
        (date(2024, 3, 1), "Leisure", "Media", Decimal("9.99"), 1, True),
        # 10.99, once and when it posted, and 12.49
        (date(2024, 5, 1), "Leisure", "Media", Decimal("23.48"), 2, True),
        # nothing but a refund
        (date(2024, 6, 1), "Leisure", "Media", Decimal("-2.00"), 1, False),
        # the pending fares that never posted: 2.90 + 7.00
        (date(2024, 7, 1), "Travel", "Transit", Decimal("9.90"), 2, True),
        # 2.90 + 3.00 + 5.00 + 5.00 + 7.00; the pending bus fare is counted when it posted
        (date(2024, 8, 1), "Travel", "Transit", Decimal("22.90"), 5, True),
        (date(2024, 9, 1), "Travel", "Transit", Decimal("3.00"), 1, True),
    ]


def test_cash_flow(golden: Settings) -> None:
    found = rows(golden, "select * from marts.mart_cash_flow_monthly order by month")
    # Card is covered to 12 February and Joint to 20 June; January begins on the 5th
    assert found == [
        # 60 + 1200 + 10 spent; 3000 - 1270 = 1730; 1730 / 3000 = 0.57666...
        (date(2024, 1, 1), Decimal("3000.00"), Decimal("1270.00"), Decimal("1730.00"), 0.5767, False),
        # no income, so no rate: 30 + 46.10
        (date(2024, 2, 1), Decimal("0.00"), Decimal("76.10"), Decimal("-76.10"), None, False),
        (date(2024, 3, 1), Decimal("0.00"), Decimal("9.99"), Decimal("-9.99"), None, True),
        (date(2024, 5, 1), Decimal("0.00"), Decimal("23.48"), Decimal("-23.48"), None, True),
        (date(2024, 6, 1), Decimal("0.00"), Decimal("-2.00"), Decimal("2.00"), None, False),
        (date(2024, 7, 1), Decimal("0.00"), Decimal("9.90"), Decimal("-9.90"), None, True),
        (date(2024, 8, 1), Decimal("0.00"), Decimal("22.90"), Decimal("-22.90"), None, True),
        (date(2024, 9, 1), Decimal("0.00"), Decimal("3.00"), Decimal("-3.00"), None, True),
    ]


def test_recurring_payments_and_their_cadence(golden: Settings) -> None:
    found = rows(
        golden,
        "select name, type, category, parent_category, payments, transactions, first_date, last_date, interval_days,"
        " cadence from marts.mart_recurring_payments order by name",
    )
    assert found == [
        ("Rent", "spending", "Rent", "Home", 1, 1, date(2024, 1, 20), date(2024, 1, 20), None, None),
        # 30 March, 1 May (pending on 30 April, counted once), 30 May: 32 and 29 days; the refund is no payment
        ("Streaming", "spending", "Media", "Leisure", 3, 3, date(2024, 3, 30), date(2024, 5, 30), 29, "monthly"),
    ]


def test_recurring_payments_and_their_price(golden: Settings) -> None:
    found = rows(
        golden,
        "select name, total_amount, median_amount, last_amount, amount_change, monthly_amount"
        " from marts.mart_recurring_payments order by name",
    )
    assert found == [
        ("Rent", Decimal("1200.00"), Decimal("1200.00"), Decimal("1200.00"), None, None),
        # 9.99 + 10.99 + 12.49; 12.49 - 10.99
        ("Streaming", Decimal("33.47"), Decimal("10.99"), Decimal("12.49"), Decimal("1.50"), Decimal("12.49")),
    ]


def test_active_recurring_payments(golden: Settings) -> None:
    found = rows(
        golden,
        "select name, next_expected_date, last_covered_date, is_active from marts.mart_recurring_payments"
        " order by name",
    )
    assert found == [
        # paid once, so nothing is expected; the second export covers Checking to the end of February
        ("Rent", None, date(2024, 2, 29), None),
        # 20 June is 21 days after the last payment
        ("Streaming", date(2024, 6, 30), date(2024, 6, 20), True),
    ]


def test_notes_and_tags_stay_in_raw(golden: Settings) -> None:
    columns = {
        name
        for (name,) in rows(golden, "select column_name from duckdb_columns() where schema_name in ('core', 'marts')")
    }
    # the export's name of a recurring payment is published, as `recurring_name` and in its mart
    assert not columns & {"note", "tags", "raw_text"}
