"""What differs between two profiles of the same data: the earlier one and the later one."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from scaffold.profile.model import ColumnProfile, Profile

Change = Literal["added", "removed", "changed", "same"]

_NULL_POINTS = 0.01
_SHOWN_VALUES = 5
# values that move by less than this share of the earlier range are the usual noise of another sample
_RANGE_SHARE = 0.1


@dataclass(frozen=True)
class ColumnDrift:
    """What differs in a column.

    Attributes:
        name: Name of the column.
        change: added, removed, changed or same.
        findings: What differs, one short sentence each; no values of a personal column.
        verdict: What it means for who reads the data.
    """

    name: str
    change: Change
    findings: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Drift:
    """What differs between two profiles.

    Attributes:
        before: Origin of the earlier one.
        after: Origin of the later one.
        rows_before: Rows of the earlier one.
        rows_after: Rows of the later one.
        columns: One per column of either, those of the earlier one first.
    """

    before: str
    after: str
    rows_before: int
    rows_after: int
    columns: tuple[ColumnDrift, ...]

    def to_dict(self) -> dict[str, Any]:
        """The value of `drift` in the document of `--json`."""
        return asdict(self)


def compare_profiles(before: Profile, after: Profile) -> Drift:
    """Compare two profiles.

    Args:
        before: The earlier one.
        after: The later one.
    """
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    columns = [_compare_column(name, old.get(name), new.get(name)) for name in {**old, **new}]
    return Drift(before.origin, after.origin, before.rows, after.rows, tuple(columns))


def _compare_column(name: str, old: ColumnProfile | None, new: ColumnProfile | None) -> ColumnDrift:
    if old is None:
        return ColumnDrift(name, "added", (), "new column: decide whether to load it")
    if new is None:
        return ColumnDrift(name, "removed", (), "missing column: a reader that needs it fails")
    if old.type != new.type:
        findings = (f"type {old.type} became {new.type}", *_find_changes(old, new))
        return ColumnDrift(name, "changed", findings, "another type: the reader rejects or misreads values")
    findings = tuple(_find_changes(old, new))
    if not findings:
        return ColumnDrift(name, "same", (), "as before")
    return ColumnDrift(name, "changed", findings, "same type, other values: check the findings")


def _find_changes(old: ColumnProfile, new: ColumnProfile) -> Iterator[str]:
    if abs(new.null_share - old.null_share) >= _NULL_POINTS or (not old.nulls and new.nulls):
        yield f"null share {old.null_share:.1%} became {new.null_share:.1%}"
    if new.unparsable and not old.unparsable:
        yield f"{new.unparsable:,} values do not parse as {new.type}; none did before"
    if old.negatives == 0 and new.negatives:
        yield f"{new.negatives:,} negative values; there were none"
    if old.is_personal or new.is_personal:
        return
    yield from _find_range_change(old, new)
    yield from _find_new_values(old, new)


def _find_range_change(old: ColumnProfile, new: ColumnProfile) -> Iterator[str]:
    """A range outside the earlier one: of numbers by more than noise, of times by years."""
    low, high, least, greatest = (_measure(value) for value in (old.minimum, old.maximum, new.minimum, new.maximum))
    if low is None or high is None or least is None or greatest is None or old.type != new.type:
        return
    margin = 366.0 if old.type in ("date", "timestamp") else _RANGE_SHARE * (high - low)
    if least < low - margin:
        yield f"least value {new.minimum} is below {old.minimum}"
    if greatest > high + margin:
        yield f"greatest value {new.maximum} is above {old.maximum}"


def _measure(value: float | int | str | None) -> float | None:
    """A number as it is, a time as its day."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(date.fromisoformat((value or "")[:10]).toordinal())
    except ValueError:
        return None


def _find_new_values(old: ColumnProfile, new: ColumnProfile) -> Iterator[str]:
    if not old.is_top_complete or old.top is None:
        return
    if new.top is None:
        yield f"{new.distinct:,} different values; there were {old.distinct:,}"
        return
    known, present = ({top.value for top in column.top or ()} for column in (old, new))
    if added := sorted(present - known):
        yield f"new values: {_list_values(added)}"
    if new.is_top_complete and (gone := sorted(known - present)):
        yield f"values that are gone: {_list_values(gone)}"


def _list_values(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
    return ", ".join(values[:_SHOWN_VALUES]) + more
