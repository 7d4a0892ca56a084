"""Sample bank exports: an invented household's money, in two exports of which the second overlaps the first."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path

import numpy as np

from data_stack.window import next_month
from dlt_pipeline.sample.draw import Stream, generator
from dlt_pipeline.sample.spec import SampleSpec
from dlt_pipeline.transactions import SAMPLE_MARKER

HEADER = (
    "date,name,amount,status,category,parent category,excluded,tags,type,account,account mask,note,recurring".split(",")
)
"""The bank's columns, in its order."""

PENDING_DAYS = 3
"""At the end of an export this many days of card payments are pending."""

_CHECKING = ("Everyday Checking", "0042")
_CARD = ("Blue Card", "7310")
_SAVINGS = ("Rainy Day Savings", "0907")

_GROCERS = ("Green Basket Market", "Corner Pantry", "Harvest Hall Foods")
_RESTAURANTS = ("Noodle Wharf", "Taqueria Luna", "Pier 9 Diner", "Crème & Crust")
_SUBSCRIPTIONS = (
    (3, "Iron Gate Gym", "39.90"),
    (8, "Streambox", "15.49"),
    (11, "Cloud Locker", "2.99"),
    (20, "Parrot Mobile", "45.00"),
)
_SUBSCRIPTION_CATEGORIES = {"Iron Gate Gym": "Fitness", "Parrot Mobile": "Phone"}
_PARENTS = {
    "Groceries": "Food & Drink",
    "Coffee": "Food & Drink",
    "Restaurants": "Food & Drink",
    "Rent": "Home",
    "Utilities": "Home",
    "Phone": "Home",
    "Subscriptions": "Lifestyle",
    "Fitness": "Lifestyle",
    "Shopping": "Lifestyle",
    "Transit": "Transport",
    "Work travel": "Transport",
    "Paycheck": "Income",
    "Interest": "Income",
}


@dataclass(frozen=True)
class Row:
    """One line of an export, fields in the order of `HEADER`; amounts positive where money goes out."""

    date: date
    name: str
    amount: Decimal
    status: str = "posted"
    category: str = ""
    parent_category: str = ""
    excluded: str = "false"
    tags: str = ""
    type: str = "regular"
    account: str = _CARD[0]
    account_mask: str = _CARD[1]
    note: str = ""
    recurring: str = ""


@dataclass(frozen=True)
class Export:
    """One export: its file name, when it was made, and its rows, newest first as the bank writes them."""

    name: str
    made_at: datetime
    rows: tuple[Row, ...]


def exports(spec: SampleSpec) -> tuple[Export, Export]:
    """The two exports of a sample.

    The first covers the first half of the days and 5 more; its last card payments are pending. The second begins 7
    days before the half; it has those payments posted, one or two days later, and other categories for groceries of
    the overlap. It ends with pending payments of its own.

    Args:
        spec: The sample.
    """
    first, last = spec.window.start, spec.window.end
    half = first + (last - first) // 2
    cut, overlap = half + timedelta(days=5), half - timedelta(days=7)
    ledger = [row for day in _days(first, last) for row in _day_rows(spec.seed, day)]
    early = [_pending_after(row, cut) for row in ledger if row.date <= cut]
    late = [_settled(row, cut) for row in ledger if row.date >= overlap]
    late = [_pending_after(row, last) for row in late]
    return _export(early, cut), _export(late, last)


def current_rows(spec: SampleSpec) -> list[Row]:
    """The rows that count once both exports are loaded: the second replaces every date it covers.

    Args:
        spec: The sample.
    """
    early, late = exports(spec)
    covered_from = min(row.date for row in late.rows)
    return [row for row in early.rows if row.date < covered_from] + list(late.rows)


def write_exports(folder: Path, spec: SampleSpec) -> None:
    """Write both exports and the marker, with modification times in the order they were made.

    Args:
        folder: A folder that does not exist yet.
        spec: The sample.
    """
    folder.mkdir()
    (folder / SAMPLE_MARKER).write_text("Invented data of the sample; not a bank's.\n", encoding="utf-8")
    for export in exports(spec):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(map(astuple, export.rows))
        path = folder / export.name
        path.write_bytes(text.getvalue().encode())
        seconds = export.made_at.timestamp()
        os.utime(path, (seconds, seconds))


def _export(rows: list[Row], made_on: date) -> Export:
    newest_first = tuple(sorted(rows, key=lambda row: row.date, reverse=True))
    return Export(f"transactions-{made_on}.csv", datetime.combine(made_on, time(18), UTC), newest_first)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _is_late_card_payment(row: Row, cut: date) -> bool:
    return row.account == _CARD[0] and row.type == "regular" and cut - timedelta(days=PENDING_DAYS) < row.date <= cut


def _pending_after(row: Row, cut: date) -> Row:
    """A card payment of an export's last days is not posted yet, and has no category."""
    if not _is_late_card_payment(row, cut):
        return row
    return replace(row, status="pending", category="", parent_category="")


def _settled(row: Row, cut: date) -> Row:
    """How the second export shows a row that the first had: payments posted later, groceries renamed."""
    if _is_late_card_payment(row, cut):
        return replace(row, date=row.date + timedelta(days=1 + row.date.day % 2))
    if row.date <= cut and row.name in _GROCERS:
        return replace(row, category="Household", parent_category="Home")
    return row


def _day_rows(seed: int, day: date) -> Iterator[Row]:
    """Everything that happens on a day, whatever range is asked for."""
    rng = generator(seed, Stream.LEDGER, day.toordinal())
    yield from _scheduled(day, rng)
    for row in chain(_everyday(day, rng), _now_and_then(day, rng)):
        yield _untidy(row, rng)


def _scheduled(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Salary on the 15th and the month's last day, rent, bills, subscriptions, transfers."""
    last_day = next_month(day) - timedelta(days=1)
    if day.day == 15 or day == last_day:
        yield _checking(
            day, "Northwind Mills Payroll", Decimal("-2650.00"), "Paycheck", type="income", recurring="Salary"
        )
    if day == last_day:
        account, mask = _SAVINGS
        yield _row(day, "Interest", -_cents(rng, 4, 9), "Interest", type="income", account=account, account_mask=mask)
    if day.day == 1:
        yield _checking(day, "Harbour Terrace Apartments", Decimal("1850.00"), "Rent", recurring="Rent")
    if day.day == 6:
        yield _checking(day, "River City Power", _cents(rng, 55, 130), "Utilities", note="meter read, estimated")
    for due, name, price in _SUBSCRIPTIONS:
        if day.day == due:
            category = _SUBSCRIPTION_CATEGORIES.get(name, "Subscriptions")
            yield _row(day, name, Decimal(price), category, recurring=name)
    if day.day == 16:
        yield from _transfer(day, "Transfer to savings", Decimal("400.00"), _CHECKING, _SAVINGS)
    if day.day == 25:
        yield from _transfer(day, "Blue Card payment", _cents(rng, 700, 1100), _CHECKING, _CARD)


def _everyday(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Card payments of everyday: coffee, groceries, restaurants, transit."""
    working = day.weekday() < 5
    if rng.random() < (0.75 if working else 0.4):
        coffee = _row(day, "Kettle & Bean", Decimal(str(rng.choice(["3.75", "4.25", "5.50"]))), "Coffee")
        # two at the same price on one day are two purchases
        yield from [coffee] * (2 if rng.random() < 0.15 else 1)
    if rng.random() < 0.38:
        yield _row(day, str(rng.choice(_GROCERS)), _cents(rng, 18, 140), "Groceries")
    if rng.random() < (0.12 if working else 0.45):
        yield _row(day, str(rng.choice(_RESTAURANTS)), _cents(rng, 14, 95), "Restaurants")
    if working and rng.random() < 0.5:
        yield from [_row(day, "Hudson Tubes", Decimal("3.00"), "Transit")] * 2


def _now_and_then(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Card payments on certain days: shopping, a refund, a work trip."""
    if day.day in (5, 22):
        yield _row(day, "Paper Lantern Goods", _cents(rng, 25, 120), "Shopping", tags="home" if day.day == 5 else "")
    if day.day == 19:
        yield _row(day, "Paper Lantern Goods", -_cents(rng, 10, 25), "Shopping", note='refund, "wrong size"')
    if day.day == 12:
        yield _row(day, "Skyway Air", _cents(rng, 180, 420), "Work travel", excluded="true", tags="work, reimbursed")


def _untidy(row: Row, rng: np.random.Generator) -> Row:
    """Categories as people leave them: one in eight empty, one in ten with stray spaces."""
    chance = rng.random()
    if chance < 0.125:
        return replace(row, category="", parent_category="")
    if chance < 0.175:
        return replace(row, category=f" {row.category}")
    return replace(row, category=f"{row.category} ") if chance < 0.225 else row


def _row(day: date, name: str, amount: Decimal, category: str, **fields: str) -> Row:
    return Row(day, name, amount, category=category, parent_category=_PARENTS[category], **fields)


def _checking(day: date, name: str, amount: Decimal, category: str, **fields: str) -> Row:
    return _row(day, name, amount, category, account=_CHECKING[0], account_mask=_CHECKING[1], **fields)


def _transfer(day: date, name: str, amount: Decimal, source: tuple[str, str], target: tuple[str, str]) -> Iterator[Row]:
    """Two legs: out of one account, into the other."""
    for account, signed in ((source, amount), (target, -amount)):
        yield Row(day, name, signed, type="internal transfer", account=account[0], account_mask=account[1])


def _cents(rng: np.random.Generator, low: int, high: int) -> Decimal:
    return Decimal(int(rng.integers(low * 100, high * 100))).scaleb(-2)
