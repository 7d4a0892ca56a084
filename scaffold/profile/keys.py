"""Second queries: frequent values, candidates for the primary key, duplicate rows."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import duckdb

from scaffold.profile.evidence import is_id_name
from scaffold.profile.model import ColumnProfile, TopValue
from scaffold.profile.statistics import Column, fetch_one

TOP_DISTINCT_MAX = 50
"""Columns of at most so many different values have their frequent ones counted."""

TOP_VALUES = 20
_PAIR_COLUMNS_MAX = 8
# the estimate of distinct values was up to 13 % off
_ESTIMATE_SHARE_MIN = 0.8


def set_top_values(
    db: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[Column],
    profiles: Mapping[str, ColumnProfile],
    show_personal: bool,
) -> None:
    """Count the frequent values of the columns that have few different ones, and that are no measures.

    Args:
        db: The connection.
        relation: As SQL names it.
        columns: Its columns.
        profiles: Their profiles, whose `top` is set.
        show_personal: Count those of personal columns too.
    """
    chosen = [column for column in columns if _has_top(profiles[column.name], show_personal)]
    if not chosen:
        return
    counts = fetch_one(
        db, f"select {', '.join(f'histogram(({column.value})::varchar)' for column in chosen)} from {relation}"
    )
    for column, count in zip(chosen, counts, strict=True):
        profile = profiles[column.name]
        ordered = sorted((count or {}).items(), key=lambda item: (-item[1], item[0]))
        profile.distinct, profile.is_distinct_exact = len(ordered), True
        profile.top = [TopValue(value, number) for value, number in ordered[:TOP_VALUES]]
        profile.is_top_complete = len(ordered) <= TOP_VALUES


def _has_top(profile: ColumnProfile, show_personal: bool) -> bool:
    return (
        0 < profile.distinct <= TOP_DISTINCT_MAX
        and (show_personal or not profile.is_personal)
        and profile.type in ("text", "integer", "boolean")
        and profile.time_format is None
    )


def find_keys(
    db: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[Column],
    profiles: Mapping[str, ColumnProfile],
    rows: int,
) -> tuple[tuple[str, ...], ...]:
    """Columns, otherwise pairs of columns, that identify a row; the likeliest first.

    Args:
        db: The connection.
        relation: As SQL names it.
        columns: Its columns.
        profiles: Their profiles.
        rows: Rows of the relation.
    """
    possible = [column for column in columns if _can_be_key(profiles[column.name])]
    possible.sort(key=lambda column: (not is_id_name(column.name), column.number))
    unique = [c for c in possible if profiles[c.name].distinct >= _ESTIMATE_SHARE_MIN * rows]
    singles = _keep_unique(db, relation, [(column,) for column in unique], rows)
    if singles or rows < 2:
        return singles
    # of many columns those with the most values are likeliest to identify a row together
    varied = sorted(possible, key=lambda column: -profiles[column.name].distinct)[:_PAIR_COLUMNS_MAX]
    pairs = [
        (left, right)
        for left, right in combinations([column for column in possible if column in varied], 2)
        if profiles[left.name].distinct * profiles[right.name].distinct >= rows
    ]
    return _keep_unique(db, relation, pairs, rows)


def _can_be_key(profile: ColumnProfile) -> bool:
    has_gaps = profile.nulls or profile.blanks or profile.placeholders
    return not has_gaps and profile.type in ("text", "integer", "date", "timestamp") and profile.distinct > 1


def _keep_unique(
    db: duckdb.DuckDBPyConnection, relation: str, candidates: Sequence[tuple[Column, ...]], rows: int
) -> tuple[tuple[str, ...], ...]:
    """Those that are different in every row; one after the other, as a count keeps every value in memory."""
    unique = []
    for candidate in candidates:
        # two of a million values have the same 64 bits with a probability of 3 in 100 million
        hashed = f"hash({', '.join(column.sql for column in candidate)})"
        if fetch_one(db, f"select count(distinct {hashed}) from {relation}")[0] == rows:
            unique.append(tuple(column.name for column in candidate))
    return tuple(unique)


def count_duplicates(db: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[Column], rows: int) -> int:
    """Rows that repeat an earlier row in every column."""
    hashed = f"hash({', '.join(column.sql for column in columns)})"
    return rows - int(fetch_one(db, f"select count(distinct {hashed}) from {relation}")[0])
