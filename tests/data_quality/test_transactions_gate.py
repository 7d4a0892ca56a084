"""No value of a transaction leaves the gate: not in records, messages or Data Docs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data_quality.check import find_suite
from data_quality.data_docs import build_data_docs
from data_quality.runner import format_gate_failures, validate
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
PLANTED = ("Zyxwa Personal", "Zyxwb Category", "zyxwc-type", "4455667", "zyxwd-mask", "8899.77")


def _text_of(folder: Path) -> str:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in paths)


@pytest.mark.integration
def test_no_value_leaks(
    dirty: Dirty, settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dirty(
        "transactions",
        "update raw.transactions set name = 'Zyxwa Personal', category = 'Zyxwb Category', type = 'zyxwc-type',"
        " note = 'Zyxwa Personal', account_mask = 'zyxwd-mask', amount = 44556677.00 where source_line = 5;"
        "update raw.transactions set transaction_id = 'Zyxwa Personal', amount = -8899.77 where source_line = 6",
    )
    ops = Ops(settings)
    reports = validate(settings, ops, "run", get_source("transactions"))
    failed = {failure.column for report in reports for failure in report.failures}
    assert {"type", "account_mask", "transaction_id", "is_amount_huge"} <= failed
    build_data_docs(settings)
    written = _text_of(settings.docs_dir) + "\n".join(_dump_records(ops))
    said = format_gate_failures(reports) + repr(reports) + "".join(capfd.readouterr()) + caplog.text
    assert "line 6" in written, "keys are shown"
    for value in PLANTED:
        assert value not in written
        assert value not in said


def _dump_records(ops: Ops) -> list[str]:
    return [
        repr(row) for table in ("validations", "loads", "steps", "runs") for row in ops.query(f"select * from {table}")
    ]


def test_no_range_of_values_is_recorded() -> None:
    """Every number of a transaction is derived from its amount, which is personal."""
    assert [check.name for check in find_suite("transactions") if check.observed] == []
