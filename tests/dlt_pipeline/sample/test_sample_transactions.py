"""The two exports: rows as a bank writes them, and how the second replaces what it covers."""

import csv
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dlt_pipeline.sample.spec import SampleSpec
from dlt_pipeline.sample.transactions import (
    HEADER,
    PENDING_DAYS,
    Row,
    TransactionsSample,
    find_current_rows,
    generate_exports,
    write_exports,
)
from dlt_pipeline.transactions import SAMPLE_MARKER

SPEC = SampleSpec()
HALF = date(2024, 7, 1)
CUT = HALF + timedelta(days=5)
OVERLAP = HALF - timedelta(days=7)


def months_of(rows: list[Row]) -> list[str]:
    return [f"{row.date:%Y-%m}" for row in rows]


def test_files_have_the_banks_header_and_text(tmp_path: Path) -> None:
    write_exports(tmp_path / "exports", SPEC)
    first, second = sorted(tmp_path.glob("exports/*.csv"))
    assert (tmp_path / "exports" / SAMPLE_MARKER).exists()
    assert first.stat().st_mtime < second.stat().st_mtime
    for path, export in zip((first, second), generate_exports(SPEC), strict=True):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert path.name == export.name
        assert header == HEADER
        assert [row[2] for row in rows] == [str(row.amount) for row in export.rows]
        assert all(len(amount.split(".")[1]) == 2 for amount in (row[2] for row in rows))
        assert {row[10] for row in rows} == {"0042", "7310", "0907"}
        assert {row[6] for row in rows} == {"true", "false"}


def test_the_sample_points_the_source_at_its_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_exports(tmp_path / "exports", SPEC)
    sample = TransactionsSample.of_sample(Path("exports"), SPEC)
    assert sample.list_variables() == {"TRANSACTIONS_PATH": str(tmp_path / "exports")}
    (one, *_) = (tmp_path / "exports").glob("*.csv")
    assert TransactionsSample.of_stored(one).list_variables() == {"TRANSACTIONS_PATH": str(one)}


def test_exports_cover_both_halves_with_an_overlap() -> None:
    early, late = (sorted(row.date for row in export.rows) for export in generate_exports(SPEC))
    assert early[0] == date(2024, 1, 1) and CUT - timedelta(days=1) <= early[-1] <= CUT
    assert OVERLAP <= late[0] <= OVERLAP + timedelta(days=1) and late[-1] == date(2024, 12, 31)


def test_pending_payments_stand_at_the_end_of_each_export() -> None:
    for export, cut in zip(generate_exports(SPEC), (CUT, date(2024, 12, 31)), strict=True):
        pending = [row for row in export.rows if row.status == "pending"]
        assert len(pending) >= 3
        assert all(cut - timedelta(days=PENDING_DAYS) < row.date <= cut for row in pending)
        assert {row.account_mask for row in pending} == {"7310"}


def test_the_second_export_posts_what_was_pending_one_or_two_days_later() -> None:
    early, late = generate_exports(SPEC)
    posted = Counter((row.name, row.amount, row.date) for row in late.rows if row.status == "posted")
    for row in (row for row in early.rows if row.status == "pending"):
        moved = [(row.name, row.amount, row.date + timedelta(days=days)) for days in (1, 2)]
        assert any(posted[key] for key in moved), row
    assert not any(row.status == "pending" and row.date <= CUT for row in late.rows)


def test_the_second_export_recategorises_rows_of_the_overlap() -> None:
    early, late = generate_exports(SPEC)

    def groceries(rows: tuple[Row, ...]) -> dict[tuple[date, Decimal], str]:
        names = ("Green Basket Market", "Corner Pantry", "Harvest Hall Foods")
        until = CUT - timedelta(days=PENDING_DAYS)
        return {
            (row.date, row.amount): row.category for row in rows if row.name in names and OVERLAP <= row.date <= until
        }

    before, after = groceries(early.rows), groceries(late.rows)
    assert before.keys() == after.keys() and len(before) >= 2
    assert set(after.values()) == {"Household"} and "Household" not in before.values()


def test_what_counts_is_each_payment_once() -> None:
    rows = find_current_rows(SPEC)
    whole = sum(len(export.rows) for export in generate_exports(SPEC))
    twice = [row for row in generate_exports(SPEC)[0].rows if row.date >= OVERLAP]
    assert len(rows) == whole - len(twice)
    salaries = Counter(months_of([row for row in rows if row.recurring == "Salary"]))
    assert salaries == {f"2024-{month:02d}": 2 for month in range(1, 13)}
    rents = Counter(months_of([row for row in rows if row.recurring == "Rent"]))
    assert rents == {f"2024-{month:02d}": 1 for month in range(1, 13)}


def test_signs_and_types() -> None:
    rows = find_current_rows(SPEC)
    assert {row.type for row in rows} == {"regular", "income", "internal transfer"}
    assert all(row.amount < 0 for row in rows if row.type == "income")
    refunds = [row for row in rows if row.type == "regular" and row.amount < 0]
    assert len(refunds) == 12 and all("refund" in row.note for row in refunds)
    legs = [row for row in rows if row.type == "internal transfer"]
    assert len(legs) == 48 and sum(row.amount for row in legs) == 0
    assert sum(row.excluded == "true" for row in rows) == 12


def test_exact_duplicates_stray_spaces_and_empty_categories_occur() -> None:
    for export in generate_exports(SPEC):
        repeated = [row for row, count in Counter(export.rows).items() if count > 1]
        regular = [row for row in export.rows if row.type == "regular"]
        empty = [row for row in regular if not row.category]
        stray = [row for row in regular if row.category != row.category.strip()]
        assert len(repeated) > 20
        assert 0.05 < len(empty) / len(regular) < 0.25
        assert any(row.category.startswith(" ") for row in stray) and any(row.category.endswith(" ") for row in stray)


def test_a_month_is_the_same_whatever_range_is_asked_for() -> None:
    alone = replace(SPEC, first_month=date(2024, 3, 1), last_month=date(2024, 5, 1))

    def april_10(spec: SampleSpec) -> list[Row]:
        return [row for row in generate_exports(spec)[0].rows if row.date == date(2024, 4, 10)]

    assert april_10(alone) == april_10(SPEC) != []


@pytest.mark.parametrize("month", [date(2024, 2, 1), date(2023, 12, 1)])
def test_one_month_alone_has_two_overlapping_exports(month: date) -> None:
    early, late = generate_exports(replace(SPEC, first_month=month, last_month=month))
    assert min(row.date for row in late.rows) < max(row.date for row in early.rows)
    assert any(row.status == "pending" for row in early.rows)
    assert early.made_at < late.made_at
