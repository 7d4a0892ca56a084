"""Sample bank exports: the generated transactions of a household, in two exports that overlap."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from data_stack.errors import TerminalError
from data_stack.window import next_month
from dlt_pipeline.sample.draw import make_generator
from dlt_pipeline.sample.source import SampleSource
from dlt_pipeline.sample.spec import SampleSpec
from dlt_pipeline.transactions import SAMPLE_MARKER

HEADER = (
    "date,name,amount,status,category,parent category,excluded,tags,type,account,account mask,note,recurring".split(",")
)
"""The bank's columns, in its order."""

PENDING_DAYS = 3
"""Number of days at the end of an export in which card payments are pending."""

# see `draw.make_generator`
_LEDGER_STREAM = 4

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
    """One line of an export, with the fields in the order of `HEADER`; the amount of an expense is positive."""

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


def generate_exports(spec: SampleSpec) -> tuple[Export, Export]:
    """The two exports of a sample.

    The first covers the first half of the days and 5 more; its last card payments are pending. The second begins 7
    days before the half. In it those payments are posted, one or two days later, and the groceries of the overlap have
    another category. It ends with pending payments too.

    Args:
        spec: The sample.
    """
    first, last = spec.window.start, spec.window.end
    half = first + (last - first) // 2
    cut, overlap = half + timedelta(days=5), half - timedelta(days=7)
    ledger = [row for day in _list_days(first, last) for row in _generate_day(spec.seed, day)]
    early = [_mark_pending(row, cut) for row in ledger if row.date <= cut]
    late = [_settle_payment(row, cut) for row in ledger if row.date >= overlap]
    late = [_mark_pending(row, last) for row in late]
    return _build_export(early, cut), _build_export(late, last)


def find_current_rows(spec: SampleSpec) -> list[Row]:
    """Find the rows that count once both exports are loaded: the second replaces every date that it covers.

    Args:
        spec: The sample.
    """
    early, late = generate_exports(spec)
    covered_from = min(row.date for row in late.rows)
    return [row for row in early.rows if row.date < covered_from] + list(late.rows)


def write_exports(folder: Path, spec: SampleSpec) -> None:
    """Write both exports and the marker, with modification times in the order they were made.

    Args:
        folder: A folder that does not exist yet.
        spec: The sample.
    """
    folder.mkdir()
    (folder / SAMPLE_MARKER).write_text("Generated sample data, not from a bank.\n", encoding="utf-8")
    for export in generate_exports(spec):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(map(astuple, export.rows))
        path = folder / export.name
        path.write_bytes(text.getvalue().encode())
        seconds = export.made_at.timestamp()
        os.utime(path, (seconds, seconds))


class TransactionsSample(SampleSource):
    """Bank exports on disk; nothing is served by HTTP.

    Args:
        path: A folder of exports, or one of them.
    """

    name = "transactions"

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """See `SampleSource.write_files`."""
        write_exports(folder, spec)

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """See `SampleSource.of_sample`."""
        return cls(folder)

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        """See `SampleSource.of_stored`: a folder of exports, or one of them."""
        if not path.exists():
            raise TerminalError(f"{path} does not exist; name a folder of exports, or one of them")
        return cls(path)

    def list_variables(self) -> dict[str, str]:
        """See `SampleSource.list_variables`."""
        return {"TRANSACTIONS_PATH": str(self.path.resolve())}


def _build_export(rows: list[Row], made_on: date) -> Export:
    newest_first = tuple(sorted(rows, key=lambda row: row.date, reverse=True))
    return Export(f"transactions-{made_on}.csv", datetime.combine(made_on, time(18), UTC), newest_first)


def _list_days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _is_late_card_payment(row: Row, cut: date) -> bool:
    return row.account == _CARD[0] and row.type == "regular" and cut - timedelta(days=PENDING_DAYS) < row.date <= cut


def _mark_pending(row: Row, cut: date) -> Row:
    """A card payment of an export's last days is not posted yet, and has no category."""
    if not _is_late_card_payment(row, cut):
        return row
    return replace(row, status="pending", category="", parent_category="")


def _settle_payment(row: Row, cut: date) -> Row:
    """A row of the first export as it is in the second: payments posted later, groceries in another category."""
    if _is_late_card_payment(row, cut):
        return replace(row, date=row.date + timedelta(days=1 + row.date.day % 2))
    if row.date <= cut and row.name in _GROCERS:
        return replace(row, category="Household", parent_category="Home")
    return row


def _generate_day(seed: int, day: date) -> Iterator[Row]:
    """All rows of a day; they do not depend on the range of the sample."""
    rng = make_generator(seed, _LEDGER_STREAM, day.toordinal())
    yield from _generate_scheduled(day, rng)
    for row in chain(_generate_everyday(day, rng), _generate_occasional(day, rng)):
        yield _add_untidy_category(row, rng)


def _generate_scheduled(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Salary on the 15th and the month's last day, rent, bills, subscriptions, transfers."""
    last_day = next_month(day) - timedelta(days=1)
    if day.day == 15 or day == last_day:
        yield _make_checking_row(
            day, "Northwind Mills Payroll", Decimal("-2650.00"), "Paycheck", type="income", recurring="Salary"
        )
    if day == last_day:
        account, mask = _SAVINGS
        yield _make_row(
            day, "Interest", -_draw_amount(rng, 4, 9), "Interest", type="income", account=account, account_mask=mask
        )
    if day.day == 1:
        yield _make_checking_row(day, "Harbour Terrace Apartments", Decimal("1850.00"), "Rent", recurring="Rent")
    if day.day == 6:
        yield _make_checking_row(
            day, "River City Power", _draw_amount(rng, 55, 130), "Utilities", note="meter read, estimated"
        )
    for due, name, price in _SUBSCRIPTIONS:
        if day.day == due:
            category = _SUBSCRIPTION_CATEGORIES.get(name, "Subscriptions")
            yield _make_row(day, name, Decimal(price), category, recurring=name)
    if day.day == 16:
        yield from _make_transfer(day, "Transfer to savings", Decimal("400.00"), _CHECKING, _SAVINGS)
    if day.day == 25:
        yield from _make_transfer(day, "Blue Card payment", _draw_amount(rng, 700, 1100), _CHECKING, _CARD)


def _generate_everyday(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Everyday card payments: coffee, groceries, restaurants, transit."""
    working = day.weekday() < 5
    if rng.random() < (0.75 if working else 0.4):
        coffee = _make_row(day, "Kettle & Bean", Decimal(str(rng.choice(["3.75", "4.25", "5.50"]))), "Coffee")
        # two purchases on one day at the same price are two rows
        yield from [coffee] * (2 if rng.random() < 0.15 else 1)
    if rng.random() < 0.38:
        yield _make_row(day, str(rng.choice(_GROCERS)), _draw_amount(rng, 18, 140), "Groceries")
    if rng.random() < (0.12 if working else 0.45):
        yield _make_row(day, str(rng.choice(_RESTAURANTS)), _draw_amount(rng, 14, 95), "Restaurants")
    if working and rng.random() < 0.5:
        yield from [_make_row(day, "Hudson Tubes", Decimal("3.00"), "Transit")] * 2


def _generate_occasional(day: date, rng: np.random.Generator) -> Iterator[Row]:
    """Card payments on certain days: shopping, a refund, a work trip."""
    if day.day in (5, 22):
        yield _make_row(
            day, "Paper Lantern Goods", _draw_amount(rng, 25, 120), "Shopping", tags="home" if day.day == 5 else ""
        )
    if day.day == 19:
        yield _make_row(day, "Paper Lantern Goods", -_draw_amount(rng, 10, 25), "Shopping", note='refund, "wrong size"')
    if day.day == 12:
        yield _make_row(
            day, "Skyway Air", _draw_amount(rng, 180, 420), "Work travel", excluded="true", tags="work, reimbursed"
        )


def _add_untidy_category(row: Row, rng: np.random.Generator) -> Row:
    """Untidy categories, as people enter them: one in eight is empty, one in ten has stray spaces."""
    chance = rng.random()
    if chance < 0.125:
        return replace(row, category="", parent_category="")
    if chance < 0.175:
        return replace(row, category=f" {row.category}")
    return replace(row, category=f"{row.category} ") if chance < 0.225 else row


def _make_row(day: date, name: str, amount: Decimal, category: str, **fields: str) -> Row:
    return Row(day, name, amount, category=category, parent_category=_PARENTS[category], **fields)


def _make_checking_row(day: date, name: str, amount: Decimal, category: str, **fields: str) -> Row:
    return _make_row(day, name, amount, category, account=_CHECKING[0], account_mask=_CHECKING[1], **fields)


def _make_transfer(
    day: date, name: str, amount: Decimal, payer: tuple[str, str], payee: tuple[str, str]
) -> Iterator[Row]:
    """Two rows: out of one account, and into the other."""
    for account, signed in ((payer, amount), (payee, -amount)):
        yield Row(day, name, signed, type="internal transfer", account=account[0], account_mask=account[1])


def _draw_amount(rng: np.random.Generator, low: int, high: int) -> Decimal:
    return Decimal(int(rng.integers(low * 100, high * 100))).scaleb(-2)
