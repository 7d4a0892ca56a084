"""What the cases and bounds of the sources' suites are made of."""

from collections.abc import Callable
from dataclasses import dataclass

LOAD = "2.0"
"""The load of a clean raw file that cases corrupt; `LOADS` of a source ends with it."""

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
REGEX = "expect_column_values_to_match_regex"

ANY = None


@dataclass(frozen=True)
class Failure:
    """An expectation that fails in a case, and what its record must contain."""

    expectation: str
    column: str
    severity: str
    unexpected: int | None = 1
    keys: tuple[str, ...] | None = ANY


@dataclass(frozen=True)
class Case:
    """SQL that corrupts a clean raw file, and every expectation that then fails."""

    name: str
    sql: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Bound:
    """A known oddity on both sides of its limit.

    Attributes:
        corrupt: SQL that makes so many rows of the clean raw file odd.
        allowed: Largest number of odd rows with which the load passes.
        rows: Rows in the group, of which the share is taken.
        group: Key of the group.
    """

    corrupt: Callable[[int], str]
    allowed: int
    rows: int
    group: str


def critical(expectation: str, column: str, unexpected: int | None = 1, keys: tuple[str, ...] | None = ANY) -> Failure:
    """A critical expectation that fails."""
    return Failure(expectation, column, "critical", unexpected, keys)


def warning(expectation: str, column: str, unexpected: int | None = 1, keys: tuple[str, ...] | None = ANY) -> Failure:
    """A warning that fails."""
    return Failure(expectation, column, "warning", unexpected, keys)


def odd(column: str, rows: int, group: str, keys: tuple[str, ...] | None = ANY) -> tuple[Failure, ...]:
    """The two failures of a known oddity whose share in one group is above the limit."""
    share = f"{column.removeprefix('is_')}_share"
    return warning(IN_SET, column, rows, keys), critical(BETWEEN, share, 1, (group,))
