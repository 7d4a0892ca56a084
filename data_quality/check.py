"""The parts of a suite: checks, each a frame that DuckDB computes for one load and the expectations on the frame."""

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
            value) identifies a row in reports; the expectations refer to the other columns.
        expectations: Made by `critical` and `warning`; each is about one column, so that counts add up over batches.
        observed: Numeric columns whose least and greatest values are recorded; no column derived from a personal one.
    """

    name: str
    sql: str
    expectations: tuple[ColumnMapExpectation, ...]
    observed: frozenset[str] = frozenset()


def critical(kind: type[ColumnMapExpectation], column: str, reason: str, **arguments: Any) -> ColumnMapExpectation:
    """Create an expectation whose failure rejects the load.

    Args:
        kind: A class of `great_expectations.expectations`.
        column: A column of the check's frame.
        reason: Why the platform expects it and what goes wrong otherwise; shown to the person who decides on the load.
        arguments: Further arguments of the class, for example `mostly`.
    """
    return _create_expectation(kind, column, reason, "critical", arguments)


def warning(kind: type[ColumnMapExpectation], column: str, reason: str, **arguments: Any) -> ColumnMapExpectation:
    """Create an expectation whose failure is recorded and reported while the load passes; arguments as `critical`."""
    return _create_expectation(kind, column, reason, "warning", arguments)


def _create_expectation(
    kind: type[ColumnMapExpectation], column: str, reason: str, severity: Severity, arguments: dict[str, Any]
) -> ColumnMapExpectation:
    # Data Docs show the notes
    notes = f"{severity}: {reason}"
    return kind(column=column, severity=severity, notes=notes, meta={"reason": reason}, **arguments)


def find_suite(source_name: str) -> tuple[Check, ...]:
    """The suite of a source: `CHECKS` in `data_quality/suites/<source_name>.py`.

    Args:
        source_name: A name in the registry.

    Raises:
        TerminalError: The module has no `CHECKS`.
    """
    checks = vars(importlib.import_module(f"data_quality.suites.{source_name}")).get("CHECKS", ())
    if not checks or not all(isinstance(check, Check) for check in checks):
        raise TerminalError(f"data_quality/suites/{source_name}.py must define CHECKS; copy suites/bike.py")
    return tuple(checks)
