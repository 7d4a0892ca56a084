"""Golden bank exports: few rows that show every rule, and the rules themselves, written as loops.

`test_golden_transactions*.py` has the expected tables, computed by hand.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from raw_builder import build_raw, pass_loads

from data_stack.settings import Settings

# the first and the last transaction that counts
DAYS = (date(2024, 1, 5), date(2024, 9, 1))
# the exports are from the beginning of 2024
FRESHNESS = "warn"
MASKS = {"Checking": "0012", "Card": "0034", "Joint": "0056", "Metro": "0078"}

# the rows of the raw tables that one export wrote, by table
Export = dict[str, list[dict[str, Any]]]


def load_golden(settings: Settings) -> None:
    """Write the rows into the raw file and let their loads pass."""
    for number, export in enumerate(exports(), start=1):
        build_raw(settings, "transactions", export, load_id=f"{number}.0")
    pass_loads(settings, ["transactions"])


def exports() -> list[Export]:
    """Every bank export, oldest first."""
    return [
        *(first_export(), second_export(), third_export(), fourth_export()),
        *(fares_of_july(), fares_of_august(), fares_of_september()),
    ]


def first_export() -> Export:
    """An export of January and February, of both accounts."""
    rows = [
        _money(
            "salary", "2024-01-05", "-3000.00", "Checking", type="income", category="Salary", parent_category="Income"
        ),
        _money("groceries", "2024-01-07", "80.50", "Card", category=" Groceries ", parent_category="Food"),
        _money("refund", "2024-01-09", "-20.50", "Card", category="Groceries", parent_category="Food "),
        _money(
            "excluded", "2024-01-12", "999.99", "Card", category="Groceries", parent_category="Food", is_excluded=True
        ),
        _money("transfer_out", "2024-01-15", "500.00", "Checking", type="internal transfer"),
        _money("transfer_in", "2024-01-15", "-500.00", "Card", type="internal transfer"),
        _money("rent", "2024-01-20", "1200.00", "Checking", category="Rent", parent_category="Home", recurring="Rent"),
        _money("blank", "2024-01-25", "10.00", "Card", category="  ", status="pending"),
        _money(
            "pending",
            "2024-02-10",
            "45.00",
            "Checking",
            category="Restaurants",
            parent_category="Food",
            status="pending",
        ),
        _money("other_account", "2024-02-12", "30.00", "Card", category="Groceries", parent_category="Food"),
    ]
    return _export(rows, "export_1.csv", 1, "2024-01-05", "2024-02-12", ["Checking", "Card"])


def second_export() -> Export:
    """A later export of February for one account: the pending payment posted, more expensive and a day later."""
    rows = [_money("posted", "2024-02-11", "46.10", "Checking", category="Restaurants", parent_category="Food")]
    return _export(rows, "export_2.csv", 2, "2024-02-01", "2024-02-29", ["Checking"])


def third_export() -> Export:
    """An export of another account, which ends with a pending subscription payment."""
    rows = [
        _streaming("stream_march", "2024-03-30", "9.99"),
        _streaming("stream_pending", "2024-04-30", "10.99", status="pending", category=" "),
    ]
    return _export(rows, "export_3.csv", 3, "2024-03-01", "2024-04-30", ["Joint"])


def fourth_export() -> Export:
    """The days after it: the subscription posted a day later and was paid again, at a higher price; then a refund."""
    rows = [
        _streaming("stream_april", "2024-05-01", "10.99"),
        _streaming("stream_may", "2024-05-30", "12.49"),
        _streaming("stream_refund", "2024-06-02", "-2.00"),
    ]
    return _export(rows, "export_4.csv", 4, "2024-05-01", "2024-06-20", ["Joint"])


def fares_of_july() -> Export:
    """An export that ends with pending fares; two of them are equal."""
    rows = [
        _fare("toll_1", "2024-07-15", "7.00", "TOLL", status="pending"),
        _fare("tap_1", "2024-07-30", "2.90", "SUBWAY", status="pending"),
        _fare("tap_2", "2024-07-31", "2.90", "SUBWAY", status="pending"),
        _fare("ferry", "2024-07-31", "5.00", "FERRY", status="pending"),
        _fare("toll_2", "2024-07-31", "7.00", "TOLL", status="pending"),
        _fare("bus_1", "2024-07-31", "3.00", "BUS", status="pending"),
    ]
    return _export(rows, "export_5.csv", 5, "2024-07-01", "2024-07-31", ["Metro"])


def fares_of_august() -> Export:
    """The days after it: one of the equal fares posted, the ferry was paid twice, and a bus fare is pending again."""
    rows = [
        _fare("tap_posted", "2024-08-01", "2.90", "SUBWAY"),
        _fare("bus_posted_1", "2024-08-01", "3.00", "BUS"),
        _fare("ferry_posted_1", "2024-08-02", "5.00", "FERRY"),
        _fare("ferry_posted_2", "2024-08-03", "5.00", "FERRY"),
        _fare("toll_posted", "2024-08-05", "7.00", "TOLL"),
        _fare("bus_2", "2024-08-31", "3.00", "BUS", status="pending"),
    ]
    return _export(rows, "export_6.csv", 6, "2024-08-01", "2024-08-31", ["Metro"])


def fares_of_september() -> Export:
    """The second bus fare posted."""
    rows = [_fare("bus_posted_2", "2024-09-01", "3.00", "BUS")]
    return _export(rows, "export_7.csv", 7, "2024-09-01", "2024-09-30", ["Metro"])


def _fare(transaction_id: str, day: str, amount: str, name: str, **other: Any) -> dict[str, Any]:
    return _money(
        transaction_id, day, amount, "Metro", name=name, category="Transit", parent_category="Travel", **other
    )


def _streaming(transaction_id: str, day: str, amount: str, **other: Any) -> dict[str, Any]:
    defaults = {"name": "STREAMING CO", "category": "Media", "parent_category": "Leisure", "recurring": "Streaming "}
    return _money(transaction_id, day, amount, "Joint", **{**defaults, **other})


def _money(transaction_id: str, day: str, amount: str, account: str, **other: Any) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "date": date.fromisoformat(day),
        "name": f"name of {transaction_id}",
        "amount": Decimal(amount),
        "account": account,
        "account_mask": MASKS[account],
        "type": "regular",
        "status": "posted",
        "is_excluded": False,
        "occurrence": 1,
        "note": "a note that stays in raw",
        **other,
    }


def _export(rows: list[dict[str, Any]], name: str, order: int, first: str, last: str, accounts: list[str]) -> Export:
    days = {"covered_from": date.fromisoformat(first), "covered_to": date.fromisoformat(last)}
    return {
        "transactions": [{**row, "batch": name} for row in rows],
        "coverage": [
            {"batch": name, "account": account, "account_mask": MASKS[account], "export_order": order, **days}
            for account in accounts
        ],
        "files": [{"batch": name, "export_order": order, "loaded_at_utc": datetime(2024, 3, 1)}],
    }


def find_transactions_that_count(exports: list[Export]) -> set[str]:
    """The transaction ids that must be in the facts: the rules of `int_transactions__*`, written as loops."""
    coverage = [days for export in exports for days in export["coverage"]]
    orders = {days["batch"]: days["export_order"] for days in coverage}
    rows = [
        {**row, "export_order": orders[row["batch"]]}
        for export in exports
        for row in export["transactions"]
        if not any(_replaces(days, row, orders[row["batch"]]) for days in coverage)
    ]
    return {row["transaction_id"] for row in rows} - _find_posted(rows)


def _replaces(days: dict[str, Any], row: dict[str, Any], order: int) -> bool:
    is_same_account = (days["account"], days["account_mask"]) == (row["account"], row["account_mask"])
    return (
        is_same_account and days["covered_from"] <= row["date"] <= days["covered_to"] and days["export_order"] > order
    )


def _find_posted(rows: list[dict[str, Any]]) -> set[str]:
    """The pending rows that a later export posts, each by a posting of its own."""
    in_time = sorted(rows, key=lambda row: (row["date"], row["transaction_id"]))
    unused = [row for row in in_time if row["status"] == "posted"]
    posted = set()
    for pending in (row for row in in_time if row["status"] == "pending"):
        posting = next((row for row in unused if _posts(row, pending)), None)
        if posting:
            unused.remove(posting)
            posted.add(pending["transaction_id"])
    return posted


def _posts(posting: dict[str, Any], pending: dict[str, Any]) -> bool:
    columns = ("account", "account_mask", "name", "amount")
    is_same_payment = pending["name"] is not None and all(posting[name] == pending[name] for name in columns)
    days_later = (posting["date"] - pending["date"]).days
    return is_same_payment and 0 <= days_later <= 14 and posting["export_order"] > pending["export_order"]
