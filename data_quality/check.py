"""The parts of a suite: a frame that DuckDB computes for one load, and the expectations on it."""

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from great_expectations.expectations.expectation import ColumnMapExpectation

from data_stack.errors import TerminalError

Severity = Literal["critical", "warning"]

KEY = "key"


@dataclass(frozen=True)
class Check:
    """A frame and its expectations.

    Attributes:
        name: Unique in its suite, for example `rows` or `days`.
        sql: A select on the schema `raw` with the parameter `$load_id`. Its column `key` (text, never null, no personal
            value) identifies a row in reports; the other columns are what the expectations look at.
        expectations: Made by `critical` and `warning`; on single columns only, so that counts add up over batches.
        observed: Numeric columns whose least and greatest value are recorded; none that stems from a personal column.
    """

    name: str
    sql: str
    expectations: tuple[ColumnMapExpectation, ...]
    observed: frozenset[str] = frozenset()


def critical(kind: type[ColumnMapExpectation], column: str, reason: str, **arguments: Any) -> ColumnMapExpectation:
    """An expectation whose failure keeps the load out of the warehouse.

    Args:
        kind: Class of `great_expectations.expectations`.
        column: Column of the check's frame.
        reason: Why the platform expects it and what goes wrong otherwise; shown to whoever has to decide.
        arguments: Further arguments of the class, for example `mostly`.
    """
    return _expectation(kind, column, reason, "critical", arguments)


def warning(kind: type[ColumnMapExpectation], column: str, reason: str, **arguments: Any) -> ColumnMapExpectation:
    """An expectation whose failure is reported and recorded but lets the load through; arguments as for `critical`."""
    return _expectation(kind, column, reason, "warning", arguments)


def _expectation(
    kind: type[ColumnMapExpectation], column: str, reason: str, severity: Severity, arguments: dict[str, Any]
) -> ColumnMapExpectation:
    notes = f"{severity}: {reason}"  # what Data Docs show
    return kind(column=column, severity=severity, notes=notes, meta={"reason": reason}, **arguments)


def find_suite(source_name: str) -> tuple[Check, ...]:
    """The suite of a source: `CHECKS` of `data_quality/suites/<source_name>.py`.

    Raises:
        TerminalError: The module has no `CHECKS`.
    """
    checks = vars(importlib.import_module(f"data_quality.suites.{source_name}")).get("CHECKS", ())
    if not checks or not all(isinstance(check, Check) for check in checks):
        raise TerminalError(f"data_quality/suites/{source_name}.py must define CHECKS; copy suites/bike.py")
    return tuple(checks)
