"""Which values Great Expectations finds unexpected, as conditions that DuckDB evaluates on a whole frame.

A condition exists only where it is known to judge as the library does on a pandas frame: for the types of expectation
in `_DERIVATIONS`, with no arguments but those named there, on columns of the types named there. Every other expectation
has none and is evaluated by the library on the frame itself.

NaN counts as missing, as in pandas: `quote_value` turns it into null, so no condition has to mention it.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import ColumnMapExpectation

INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
NUMBERS = INTEGERS | {"DOUBLE"}

# a value of each type that a not-null expectation is tried on
_PRESENT: dict[str, Any] = {
    **dict.fromkeys(INTEGERS, 0),
    "DOUBLE": math.inf,
    "VARCHAR": "",
    "BOOLEAN": False,
    "DATE": date(2024, 1, 1),
    "TIMESTAMP": datetime(2024, 1, 1),
}
# below it, a whole number is the same as a float, which pandas makes of whole numbers beside nulls
_EXACT = 2**53
# what Python and RE2 read in the same way: no escapes, no dot, no negated class, no look-around
_PORTABLE_REGEX = re.compile(r"[\^$()|\[\]{}0-9A-Za-z_,:;/@#%&=<> *+?-]*")
_UNPORTABLE_REGEX = re.compile(r"\(\?|\{,|\[\^|\[\[|\[:|[*+?}]\+")


@dataclass(frozen=True)
class Condition:
    """How DuckDB judges the values of one column.

    Attributes:
        column: The column of the frame.
        column_type: Its type in DuckDB.
        unexpected: The SQL condition that a value fails; null or false for any other.
        is_about_nulls: Whether nulls are checked; otherwise they are neither expected nor unexpected.
        probes: Values on both sides of every limit, on which Great Expectations has to agree.
    """

    column: str
    column_type: str
    unexpected: str
    is_about_nulls: bool
    probes: tuple[Any, ...]


@dataclass(frozen=True)
class _Question:
    """What a derivation is given: the column in SQL, its type and the arguments of the expectation."""

    value: str
    column_type: str
    arguments: Mapping[str, Any]


_Answer = tuple[str, tuple[Any, ...]] | None


def derive_condition(expectation: ColumnMapExpectation, column_type: str) -> Condition | None:
    """Derive the condition that a value is unexpected from an expectation.

    Args:
        expectation: The expectation.
        column_type: DuckDB's type of its column.

    Returns:
        The condition; None if only Great Expectations can evaluate the expectation.
    """
    derive, names = _DERIVATIONS.get(type(expectation), (None, frozenset()))
    arguments = expectation.configuration.kwargs
    if derive is None or set(arguments) - names - {"column", "mostly"}:
        return None
    column = expectation.column
    answer = derive(_Question(quote_value(column, column_type), column_type, arguments))
    is_about_nulls = type(expectation) is gxe.ExpectColumnValuesToNotBeNull
    return Condition(column, column_type, answer[0], is_about_nulls, answer[1]) if answer else None


def quote_name(name: str) -> str:
    """A column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_value(column: str, column_type: str) -> str:
    """A column in SQL, with null instead of NaN, which pandas does not tell from a missing value."""
    name = quote_name(column)
    return f"nullif({name}, 'nan'::double)" if column_type == "DOUBLE" else name


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _derive_not_null(question: _Question) -> _Answer:
    if question.column_type not in _PRESENT:
        return None
    return f"{question.value} is null", (None, _PRESENT[question.column_type])


def _derive_between(question: _Question) -> _Answer:
    limits = [(sign, end, question.arguments.get(f"{end}_value")) for sign, end in ((">", "min"), ("<", "max"))]
    bounds = [bound for _, _, bound in limits if bound is not None]
    if question.column_type not in NUMBERS or not bounds or not all(map(_is_exact, bounds)) or bounds != sorted(bounds):
        return None
    kept = [
        f"{question.value} {sign}{'' if question.arguments.get(f'strict_{end}') else '='} '{float(bound)!r}'::double"
        for sign, end, bound in limits
        if bound is not None
    ]
    return f"not ({' and '.join(kept)})", _probe_bounds(question.column_type, bounds)


def _is_exact(number: object) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and math.isfinite(number) and abs(number) < _EXACT  # type: ignore[arg-type]


def _probe_bounds(column_type: str, bounds: list[float]) -> tuple[Any, ...]:
    if column_type in INTEGERS:
        return tuple(math.floor(bound) + step for bound in bounds for step in (-1, 0, 1, 2))
    steps = (-math.inf, math.inf)
    return (*steps, *bounds, *(math.nextafter(bound, end) for bound in bounds for end in steps))


def _derive_in_set(question: _Question) -> _Answer:
    members = question.arguments.get("value_set")
    # an empty set, a parameter or a None is left to the library
    if not isinstance(members, list | tuple | set) or not members:
        return None
    texts, probes = _quote_members(question.column_type, members)
    return (f"{question.value} not in ({', '.join(texts)})", probes) if len(texts) == len(members) else None


def _quote_members(column_type: str, members: Collection[Any]) -> tuple[list[str], tuple[Any, ...]]:
    """Those members of a set that a column of the type can have, in SQL, and values to try the set on."""
    if column_type == "BOOLEAN":
        return [str(member).lower() for member in members if isinstance(member, bool)], (True, False)
    if column_type == "VARCHAR":
        probes = tuple(text for member in map(str, members) for text in (member, f"{member} ", member.swapcase(), ""))
        return [_quote_text(member) for member in members if isinstance(member, str)], probes
    if column_type in NUMBERS:
        whole = [member for member in members if isinstance(member, int) and _is_exact(member)]
        return [str(member) for member in whole], tuple(member + step for member in whole for step in (-1, 0, 1))
    return [], ()


def _derive_regex(question: _Question) -> _Answer:
    regex = question.arguments.get("regex")
    if question.column_type != "VARCHAR" or not isinstance(regex, str):
        return None
    if not _PORTABLE_REGEX.fullmatch(regex) or _UNPORTABLE_REGEX.search(regex):
        return None
    value, text = question.value, _quote_text(regex)
    # in Python, $ also matches before a line feed at the end
    before_line_feed = f"ends_with({value}, chr(10)) and regexp_matches({value}[:-2], {text})"
    return f"not regexp_matches({value}, {text}) and not ({before_line_feed})", ("", "\n", "é", regex)


_DERIVATIONS: dict[type, tuple[Callable[[_Question], _Answer], frozenset[str]]] = {
    gxe.ExpectColumnValuesToNotBeNull: (_derive_not_null, frozenset()),
    gxe.ExpectColumnValuesToBeBetween: (
        _derive_between,
        frozenset({"min_value", "max_value", "strict_min", "strict_max"}),
    ),
    gxe.ExpectColumnValuesToBeInSet: (_derive_in_set, frozenset({"value_set"})),
    gxe.ExpectColumnValuesToMatchRegex: (_derive_regex, frozenset({"regex"})),
}
