"""Bank exports, built row by row, for tests that need to know every row."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dlt_pipeline.sample.transactions import HEADER

EXPORT_HEADER = ",".join(HEADER)


def make_sample(folder: Path) -> None:
    """The fixture `serve` serves nothing: a test that has exports sets `TRANSACTIONS_PATH` itself."""


def bank_row(day: str, name: str, amount: str, **other: str) -> str:
    """A line of a bank export."""
    values = {
        "date": day,
        "name": name,
        "amount": amount,
        "status": "posted",
        "category": "Groceries",
        "parent category": "Food",
        "excluded": "false",
        "tags": "",
        "type": "regular",
        "account": "Checking",
        "account mask": "0042",
        "note": "",
        "recurring": "",
    }
    line = io.StringIO()
    merged = values | {name.replace("_", " "): value for name, value in other.items()}
    csv.writer(line, lineterminator="\n").writerow(merged.values())
    return line.getvalue().removesuffix("\n")


def write_export(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """A bank export."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join([EXPORT_HEADER, *lines, ""]), encoding="utf-8")
    return path
