"""The parts of a suite: checks, each a frame that DuckDB computes for one load and the expectations on the frame."""

import importlib
from dataclasses import dataclass
from typing import Any, Literal

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import ColumnMapExpectation

from data_stack.errors import TerminalError

Severity = Literal["critical", "warning"]

KEY = "key"
# one or two odd rows are a large share of a small file and say nothing about its other rows
ODD_ROWS_MIN = 3


@dataclass(frozen=True)
class Check:
    """A frame and its expectations.

    Attributes:
        name: Unique in its suite, for example `rows` or `days`.
        sql: A select on the schema `raw` with the parameter `$load_id`. Its column `key` (text, never null, no personal
            value) identifies a row in reports; the expectations refer to the other columns.
        expectations: Made by `critical`, `warning` and `Oddity`; each is about one column, so that counts add up over
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


@dataclass(frozen=True)
class Oddity:
    """A known oddity of single rows: any such row is a warning, and a large share in one group rejects the load.

    The frame of rows has the oddity as a column, and a metric frame with one row per group has its share.

    Attributes:
        column: A boolean column, for example `is_end_before_start`; null where the question does not apply.
        reason: Why it is odd, and what the models do with such a row.
        share_max: Largest share in a group, 0 to 1, with which the load still passes.
        share_reason: Where `share_max` comes from; both messages contain it.
        basis: What the share is of, for example "the rides of a month".
    """

    column: str
    reason: str
    share_max: float
    share_reason: str
    basis: str

    @property
    def share_column(self) -> str:
        """The column of the metric frame, for example `end_before_start_share`."""
        return f"{self.column.removeprefix('is_')}_share"

    @property
    def share_sql(self) -> str:
        """The share among the rows of a group, as an item of a select; null below `ODD_ROWS_MIN` odd rows."""
        odd = f"count(*) filter (where {self.column})"
        return f"case when {odd} >= {ODD_ROWS_MIN} then {odd} / count({self.column}) end as {self.share_column}"

    @property
    def row_warning(self) -> ColumnMapExpectation:
        """The warning about any odd row; its example keys show which."""
        return warning(gxe.ExpectColumnValuesToBeInSet, self.column, self._message, value_set=[False])

    @property
    def share_limit(self) -> ColumnMapExpectation:
        """The critical expectation on the share in each group; its example keys show in which it is too large."""
        return critical(gxe.ExpectColumnValuesToBeBetween, self.share_column, self._message, max_value=self.share_max)

    @property
    def _message(self) -> str:
        return (
            f"{self.reason} The load is rejected if {ODD_ROWS_MIN} or more such rows are over {self.share_max:g} of"
            f" {self.basis} (limit {100 * self.share_max:g} %: {self.share_reason})."
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
