"""One query over all columns: counts, ranges, and how many texts can be read as which type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from scaffold.profile.personal import EMAIL, PATTERNS

EXACT_ROWS_MAX = 200_000
"""Up to so many rows the number of distinct values is exact; counting exactly needs memory for every value."""

_SAMPLE_ROWS, _SAMPLE_VALUES_MIN, _GROUP_SHARE_MIN = 20_000, 500, 0.01
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_PLACEHOLDERS = ("na", "n/a", "#n/a", "null", "none", "nan", "nil", "-", "\\n", "?")
_SHORT_BYTES = 6
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP")
_NESTED = ("STRUCT", "MAP", "UNION", "BLOB", "BIT")
# a time of day does not repeat, so its order and its text are as good as any
_TEXTS = ("VARCHAR", "UUID", "ENUM", "TIME", "INTERVAL", "JSON")


def _count_matches(pattern: str) -> str:
    escaped = pattern.replace("{", "{{").replace("}", "}}")
    return f"count(*) filter (where regexp_full_match(v{{n}}, '{escaped}'))"


# what the texts of a column could be; each costs time, so it is measured only where a sample has it
_TEXT_GROUPS = {
    "text": {
        "blanks": "count(*) filter (where trim(c{n}::varchar) = '')",
        "dateish": "count(*) filter (where regexp_matches(v{n}, '^[0-9]{{1,4}}[/.-][0-9]{{1,2}}[/.-][0-9]{{2,4}}'))",
        "minimum": "min(v{n})",
        "maximum": "max(v{n})",
        "mean_length": "avg(length(v{n}))",
        "max_length": "max(length(v{n}))",
        # one address in a million is one too many
        "email": _count_matches(EMAIL).replace("(where ", "(where contains(v{n}, '@') and "),
    },
    "numbers": {
        "numbers": "count(d{n})",
        "integers": "count(*) filter (where regexp_full_match(v{n}, ' *[+-]?[0-9]{{1,18}} *'))",
        "leading_zeros": "count(*) filter (where regexp_full_match(v{n}, ' *[+-]?0[0-9]+ *'))",
        "cents": "count(*) filter (where regexp_full_match(v{n}, ' *[+-]?[0-9]{{1,16}}(\\.[0-9]{{1,2}})? *'))",
        "number_minimum": "min(d{n})",
        "number_maximum": "max(d{n})",
        "quantiles": "approx_quantile(d{n}, {quantiles})",
        "negatives": "count(*) filter (where d{n} < 0)",
    },
    "times": {
        "times": "count(t{n})",
        "dates": "count(*) filter (where t{n} is not null and length(v{n}) <= 10)",
        "offsets": "count(*) filter (where t{n} is not null and length(v{n}) > 16"
        " and regexp_matches(v{n}, '[0-9] ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$'))",
        "time_minimum": "min(t{n})",
        "time_maximum": "max(t{n})",
    },
    "booleans": {
        "booleans": "count(*) filter (where lower(v{n}) in ('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n'))",
        "words": "count(*) filter (where lower(v{n}) in ('true', 'false'))",
    },
    "uuids": {"uuids": "count(*) filter (where strlen(v{n}) in (32, 36) and try_cast(v{n} as uuid) is not null)"},
    **{kind: {kind: _count_matches(pattern)} for kind, pattern in PATTERNS.items() if kind != "email"},
}
_NUMBER_STATISTICS = {
    "minimum": "min(v{n})",
    "maximum": "max(v{n})",
    "quantiles": "approx_quantile(v{n}::double, {quantiles})",
    "negatives": "count(*) filter (where v{n} < 0)",
    "integers": "count(*) filter (where v{n} = trunc(v{n}))",
    "cents": "count(*) filter (where v{n}::double = round(v{n}::double, 2))",
}
_TIME_STATISTICS = {
    "minimum": "min(v{n})",
    "maximum": "max(v{n})",
    "midnights": "count(*) filter (where v{n} = date_trunc('day', v{n}))",
}

_NO_COUNTS = ("number_minimum", "number_maximum", "quantiles", "time_minimum", "time_maximum")
_NOT_MEASURED: dict[str, Any] = {
    name: None if name in _NO_COUNTS else 0
    for group, names in _TEXT_GROUPS.items()
    if group != "text"
    for name in names
}


@dataclass(frozen=True)
class Column:
    """A column as it is stored.

    Attributes:
        number: Its position.
        name: Its name.
        stored_type: DuckDB's type.
    """

    number: int
    name: str
    stored_type: str

    @property
    def kind(self) -> str:
        """How it is measured: text, number, time, boolean or nested."""
        if self.stored_type.endswith("]") or self.stored_type.startswith(_NESTED):
            return "nested"
        if self.stored_type == "BOOLEAN":
            return "boolean"
        if self.stored_type.lstrip("U").startswith(_NUMBERS):
            return "number"
        if self.stored_type.startswith(_TIMES):
            return "time"
        return "text"

    @property
    def sql(self) -> str:
        """Its name in a query."""
        quoted = self.name.replace('"', '""')
        return f'"{quoted}"'

    @property
    def value(self) -> str:
        """The value without surrounding spaces; null for blanks and placeholders."""
        if self.kind == "number" and self.stored_type in ("DOUBLE", "FLOAT"):
            return f"case when isfinite({self.sql}) then {self.sql} end"
        if self.kind == "nested":
            return f"{self.sql}::varchar"
        if self.kind == "text":
            text = f"{self.sql}::varchar"
            known = ", ".join(f"'{word}'" for word in ("", *_PLACEHOLDERS))
            # few texts are as short as a placeholder, and those need not be trimmed
            is_known = f"strlen({text}) <= {_SHORT_BYTES} and lower(trim({text})) in ({known})"
            is_blank = f"starts_with({text}, ' ') and trim({text}) = ''"
            return f"case when ({is_known}) or ({is_blank}) then null else {text} end"
        return self.sql


def list_columns(db: duckdb.DuckDBPyConnection, relation: str) -> list[Column]:
    """The columns of a relation.

    Args:
        db: The connection.
        relation: As SQL names it.
    """
    rows = db.execute(f"describe from {relation}").fetchall()
    return [Column(number, row[0], row[1]) for number, row in enumerate(rows)]


def count_rows(db: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Number of rows of a relation."""
    return int(fetch_one(db, f"select count(*) from {relation}")[0])


def measure_columns(
    db: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[Column], rows: int
) -> dict[str, dict[str, Any]]:
    """The statistics of every column, from one query.

    Args:
        db: The connection.
        relation: As SQL names it.
        columns: Its columns.
        rows: Its number of rows: of many, distinct values are estimated, and a sample decides what texts can be.

    Returns:
        Statistics by column: `nulls`, `values` (neither null, blank nor placeholder), `distinct`, and those of its
        kind. What the sample has nothing of is 0 or None.
    """
    groups = {column.name: set(_TEXT_GROUPS) for column in columns}
    if rows > EXACT_ROWS_MAX:
        sample = f"(from {relation} using sample {100 * _SAMPLE_ROWS / rows:.4f}% (system, 1))"
        for name, found in _measure(db, sample, columns, groups, is_exact=True).items():
            groups[name] = _choose_groups(found)
    return _measure(db, relation, columns, groups, is_exact=rows <= EXACT_ROWS_MAX)


def _choose_groups(found: Mapping[str, Any]) -> set[str]:
    """What the texts of a column can be, from a sample; everything if the sample is too small."""
    if found["values"] < _SAMPLE_VALUES_MIN:
        return set(_TEXT_GROUPS)
    return {"text", *(group for group in _TEXT_GROUPS if found.get(group, 0) > _GROUP_SHARE_MIN * found["values"])}


def _measure(
    db: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[Column],
    groups: Mapping[str, set[str]],
    is_exact: bool,
) -> dict[str, dict[str, Any]]:
    wanted = {column.name: _list_statistics(column, groups[column.name], is_exact) for column in columns}
    items = [sql for statistics in wanted.values() for sql in statistics.values()]
    values = _select_values(relation, columns, groups)
    found = iter(fetch_one(db, f"select {', '.join(items)} from ({values})"))
    measured = {name: {statistic: next(found) for statistic in wanted[name]} for name in wanted}
    return {name: _NOT_MEASURED | statistics for name, statistics in measured.items()}


def _list_statistics(column: Column, groups: set[str], is_exact: bool) -> dict[str, str]:
    distinct = "count(distinct v{n})" if is_exact else "approx_count_distinct(v{n})"
    templates: dict[str, str] = {"nulls": "count(*) - count(c{n})", "values": "count(v{n})", "distinct": distinct}
    if column.kind == "text":
        for group in groups:
            templates |= _TEXT_GROUPS[group]
    templates |= {"number": _NUMBER_STATISTICS, "time": _TIME_STATISTICS}.get(column.kind, {})
    quantiles = list(QUANTILES.values())
    return {name: template.format(n=column.number, quantiles=quantiles) for name, template in templates.items()}


def _select_values(relation: str, columns: Sequence[Column], groups: Mapping[str, set[str]]) -> str:
    """Per column the stored value `c`, the value `v`, and of texts the number `d` and the time `t` that they say."""
    values = ", ".join(f"{column.sql} as c{column.number}, {column.value} as v{column.number}" for column in columns)
    texts = [column for column in columns if column.kind == "text"]
    casts = [f"try_cast(v{c.number} as double) as x{c.number}" for c in texts if "numbers" in groups[c.name]]
    casts += [f"try_cast(v{c.number} as timestamp) as t{c.number}" for c in texts if "times" in groups[c.name]]
    finite = [
        f"case when isfinite(x{c.number}) then x{c.number} end as d{c.number}"
        for c in texts
        if "numbers" in groups[c.name]
    ]
    parsed = f"select {', '.join(['*', *casts])} from (select {values} from {relation})"
    return f"select {', '.join(['*', *finite])} from ({parsed})"


def fetch_one(db: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The only row of a query that aggregates."""
    row = db.execute(sql, list(parameters)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without groups always has a row
    return tuple(row)
