"""The outcome of one expectation on one load, as sums that add up over batches."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pandas as pd
from great_expectations.expectations.expectation import ColumnMapExpectation

from data_stack.ops import ExpectationRecord
from data_stack.redaction import make_printable

EXAMPLE_KEYS = 5


@dataclass
class Tally:
    """Sums of one expectation over the batches evaluated so far.

    Attributes:
        expectation: The expectation.
        checked: Number of values checked; nulls count only where the expectation is about nulls.
        unexpected: Number of values that fail.
        example_keys: Keys of the first rows that fail.
        least: Least value of an observed column.
        greatest: Greatest value of an observed column.
        problem: Why it could not be evaluated; None if it could.
    """

    expectation: ColumnMapExpectation
    checked: int = 0
    unexpected: int = 0
    example_keys: list[str] = field(default_factory=list)
    least: float | None = None
    greatest: float | None = None
    problem: str | None = None

    @property
    def reason(self) -> str:
        """The reason that the suite gives for the expectation."""
        return str((self.expectation.meta or {})["reason"])

    @property
    def success(self) -> bool:
        """Whether a sufficient share of all values is as expected; a single batch does not decide."""
        if self.problem:
            return False
        return self.checked == 0 or (self.checked - self.unexpected) / self.checked >= float(self.expectation.mostly)

    def add_counts(self, checked: int, unexpected: int, keys: Iterable[str]) -> None:
        """Add the counts of one batch or one load, and keys of its first unexpected rows."""
        self.checked += checked
        self.unexpected += unexpected
        room = EXAMPLE_KEYS - len(self.example_keys)
        self.example_keys += [make_printable(key) for key in islice(keys, room)]

    def add_range(self, least: Any, greatest: Any) -> None:
        """Extend the recorded range; a value that is missing leaves it as it is."""
        numbers = pd.Series([self.least, self.greatest, least, greatest], dtype=float)
        if numbers.notna().any():
            # 0 is added so that a range never begins with a negative zero
            self.least, self.greatest = numbers.min() + 0.0, numbers.max() + 0.0

    def create_record(self) -> ExpectationRecord:
        """The outcome for the run records; an expectation that could not be evaluated counts as critical."""
        return ExpectationRecord(
            expectation=self.expectation.expectation_type,
            column=self.expectation.column,
            severity="critical" if self.problem else self.expectation.severity.value,
            success=self.success,
            checked=self.checked,
            unexpected=self.unexpected,
            example_keys=self.example_keys,
            observed=self._format_range(),
            reason=f"{self.problem} {self.reason}" if self.problem else self.reason,
        )

    def _format_range(self) -> str | None:
        if self.least is None or self.least == self.greatest:
            return None if self.least is None else f"{self.least:.6g}"
        return f"{self.least:.6g} to {self.greatest:.6g}"
