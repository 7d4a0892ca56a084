"""A clean raw file of transactions, in copies of which the tests of the gate corrupt one thing."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from hashlib import md5
from typing import Any

from gate_cases import LOAD
from raw_builder import build_raw

from data_stack.settings import Settings

Row = dict[str, Any]

LOADS = ("1.0", LOAD)
TRANSACTION_MONTHS = (1, 2, 3, 4, 5)
LOADED_AT = datetime(2024, 6, 1, 12)


def build(settings: Settings) -> None:
    """Write the raw file, in which a second export covers the days of the first and more."""
    build_raw(settings, "transactions", _export("first.csv", 1, (1, 2, 3)), LOADS[0])
    build_raw(settings, "transactions", _export("second.csv", 2, TRANSACTION_MONTHS), LOAD)


def _export(name: str, order: int, months: tuple[int, ...]) -> dict[str, list[Row]]:
    rows = [{**row, "batch": name, "source_line": n + 2} for n, row in enumerate(_transactions(months))]
    span = {"covered_from": min(row["date"] for row in rows), "covered_to": max(row["date"] for row in rows)}
    accounts = sorted({(row["account"], row["account_mask"]) for row in rows})
    counts = {"rows_read": len(rows), "rows_loaded": len(rows), "rows_rejected": 0, "rows_repeated": 0}
    return {
        "transactions": rows,
        "files": [{"batch": name, "export_order": order, "loaded_at_utc": LOADED_AT, **counts}],
        "coverage": [
            {"batch": name, "account": account, "account_mask": mask, "export_order": order, **span}
            for account, mask in accounts
        ],
    }


def _transactions(months: tuple[int, ...]) -> Iterator[Row]:
    for month in months:
        for n in range(8):
            yield _transaction(date(2024, month, 2 + 3 * n), f"Shop {n}", "20.50", "regular")
        yield _transaction(date(2024, month, 26), "Employer", "-3000.00", "income")
        yield _transaction(date(2024, month, 27), "To savings", "500.00", "internal transfer")
        yield _transaction(date(2024, month, 27), "From checking", "-500.00", "internal transfer", ("Savings", "0007"))
    yield {**_transaction(date(2024, months[-1], 28), "Shop 0", "9.99", "regular"), "status": "pending"}


def _transaction(day: date, name: str, amount: str, kind: str, account: tuple[str, str] = ("Checking", "0042")) -> Row:
    return {
        "transaction_id": transaction_id(day, name),
        "occurrence": 1,
        "date": day,
        "name": name,
        "amount": Decimal(amount),
        "status": "posted",
        "category": " Groceries" if kind == "regular" else None,
        "is_excluded": False,
        "type": kind,
        "account": account[0],
        "account_mask": account[1],
    }


def transaction_id(day: date, name: str) -> str:
    """A hash like the one that ingestion computes, of fewer columns."""
    return md5(f"{day}{name}".encode(), usedforsecurity=False).hexdigest()
