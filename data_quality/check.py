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
        expectations: Made by `critical`, `warning` and `bounded`; each is about one column, so that counts add up over
            batches.
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


def bounded(
    kind: type[ColumnMapExpectation], column: str, reason: str, bound: float, bound_reason: str, **arguments: Any
) -> tuple[ColumnMapExpectation, ColumnMapExpectation]:
    """Create the two expectations of a known oddity: single rows are a warning, and a large share rejects the load.

    Args:
        kind: A class of `great_expectations.expectations`.
        column: A column of the check's frame, or of two frames; nulls are in no share.
        reason: As for `critical`, including what the models do with such a row.
        bound: Largest share of the values, 0 to 1, with which a load still passes.
        bound_reason: Where the bound comes from; both messages contain it.
        arguments: Further arguments of the class, but not `mostly`.

    Returns:
        The warning about any such row, and the critical expectation about a share above the bound.
    """
    text = f"{reason} A larger share rejects the load (limit {100 * bound:g} %: {bound_reason})."
    return (
        warning(kind, column, text, **arguments),
        critical(kind, column, text, mostly=1 - bound, **arguments),
    )


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
