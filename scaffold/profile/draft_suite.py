"""A draft of a source's expectation suite from a profile.

It is strict about plausible nonsense: rows that have every column and every type, with negative distances or dates of
twenty years ago. Thresholds come from the sample, and each reason says so.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from scaffold.profile.drafts import DraftColumn, list_draft_columns
from scaffold.profile.model import Profile

_ACCEPTED_MAX = 20
# below, one more row of the next file is a new extreme
_RANGE_ROWS_MIN = 20
_DAYS_OUTSIDE_MAX = 366
_MAY_BE_NEGATIVE = ("latitude", "longitude")
_EPOCH_MICROSECONDS = {"epoch seconds": 1_000_000, "epoch milliseconds": 1000}


def draft_suite(profile: Profile, source_name: str, table: str = "rows") -> str:
    """Draft `data_quality/suites/<source>.py`.

    Args:
        profile: Of a sample.
        source_name: Name of the source.
        table: Name of the raw table; it has the columns of `draft_schema`.

    Returns:
        Python whose `CHECKS` pass on the sample itself.
    """
    columns = list_draft_columns(profile)
    expectations = "".join(_list_expectations(profile, columns, source_name))
    return (
        f'"""Expectations on {source_name}.\n\n'
        f"Drafted from a sample of {profile.rows:,} rows in {_count_files(profile)}; every threshold comes from it.\n"
        '"""\n\n'
        f"# ADAPT({source_name}): each reason and threshold, with what the provider documents and other files show\n\n"
        "import great_expectations.expectations as gxe\n\n"
        "from data_quality.check import Check, critical, warning\n\n"
        f'_ROWS = """\n{_draft_rows_sql(columns, table)}"""\n\n'
        f'_FILES = """\n{_draft_files_sql(table)}"""\n\n'
        f"_ROW_EXPECTATIONS = (\n{expectations})\n\n"
        "CHECKS = (\n"
        '    Check("rows", _ROWS, _ROW_EXPECTATIONS),\n'
        '    Check(\n        "files",\n        _FILES,\n        (\n'
        f"{_draft_volume(profile, source_name)}        ),\n    ),\n)\n"
    )


def _count_files(profile: Profile) -> str:
    return "one file" if profile.files == 1 else f"{profile.files} files"


def _draft_rows_sql(columns: list[DraftColumn], table: str) -> str:
    key = [column for column in columns if column.is_key]
    items = [f"{_draft_key(key)} as key"]
    if key:
        names = ", ".join(column.sql for column in key)
        items.append(f"count(*) over (partition by {names}) as copies_of_key")
    items += [item for column in columns for item in _list_items(column)]
    listed = ",\n    ".join(items)
    return f"select\n    {listed}\nfrom raw.{table}\nwhere _dlt_load_id = $load_id\n"


def _draft_key(key: list[DraftColumn]) -> str:
    """SQL of the text that identifies a row in reports; a personal value must not be in it."""
    if not key or any(column.profile.is_personal for column in key):
        return "concat('row ', row_number() over ())"
    texts = ", ".join(f"coalesce({column.sql}::varchar, 'null')" for column in key)
    return f"concat_ws(' ', {texts})"


def _list_items(column: DraftColumn) -> Iterator[str]:
    """The columns of the frame: values, or of a personal column only whether there is one."""
    kind = column.profile.type
    if column.profile.is_personal:
        present = f"trim({column.sql}) != ''" if kind == "text" else f"{column.sql} is not null"
        yield f"case when {present} then true end as {column.sql}"
    elif kind == "text":
        yield f"nullif(trim({column.sql}), '') as {column.sql}"
    else:
        yield f"{column.sql}::double as {column.sql}" if kind == "decimal" else column.sql
    if _is_never_negative(column):
        yield f"{column.sql} < 0 as is_{column.name}_negative"
    if span := _find_span(column):
        day = _draft_day(column)
        yield f"date_diff('day', {day}, date '{span[0]}') as {column.name}_days_before_sample"
        yield f"date_diff('day', greatest(date '{span[1]}', current_date), {day}) as {column.name}_days_after_today"


def _is_never_negative(column: DraftColumn) -> bool:
    return column.profile.negatives == 0 and not column.name.endswith(_MAY_BE_NEGATIVE) and not _find_span(column)


def _find_span(column: DraftColumn) -> tuple[str, str] | None:
    """First and last day of a time column; of a personal one they are not known."""
    profile = column.profile
    if profile.minimum is None or profile.maximum is None:
        return None
    if scale := _EPOCH_MICROSECONDS.get(profile.time_format or ""):
        return _format_epoch(profile.minimum, scale), _format_epoch(profile.maximum, scale)
    if profile.type not in ("date", "timestamp"):
        return None
    return str(profile.minimum)[:10], str(profile.maximum)[:10]


def _format_epoch(value: float | int | str, scale: int) -> str:
    return datetime.fromtimestamp(float(value) * scale / 1_000_000, UTC).date().isoformat()


def _draft_day(column: DraftColumn) -> str:
    scale = _EPOCH_MICROSECONDS.get(column.profile.time_format or "")
    return f"make_timestamp({column.sql} * {scale})::date" if scale else f"{column.sql}::date"


def _draft_files_sql(table: str) -> str:
    return (
        f"select batch as key, count(*) as rows_of_file\nfrom raw.{table}\nwhere _dlt_load_id = $load_id\n"
        "group by batch\norder by batch\n"
    )


def _list_expectations(profile: Profile, columns: list[DraftColumn], source_name: str) -> Iterator[str]:
    if any(column.is_key for column in columns):
        yield _format(
            "critical",
            "Between",
            "copies_of_key",
            "The key is unique in the sample; a row that comes twice counts twice.",
            {"max_value": 1},
        )
    else:
        yield f"    # ADAPT({source_name}): no column or pair is unique in the sample, so equal rows are not noticed\n"
    for column in columns:
        yield from _list_null(profile, column)
        yield from _list_bounds(profile, column)
        yield from _list_accepted(profile, column)


def _list_null(profile: Profile, column: DraftColumn) -> Iterator[str]:
    is_time = _find_span(column) is not None
    if column.is_key:
        reason = "It is part of the key; without it a later load cannot replace the row."
    elif not column.is_required:
        return
    else:
        reason = f"None of the {profile.rows:,} rows of the sample is without it."
        reason += " A row without a time belongs to no day." if is_time else ""
    yield _format("critical" if column.is_key or is_time else "warning", "NotNull", column.name, reason, {})


def _list_bounds(profile: Profile, column: DraftColumn) -> Iterator[str]:
    if span := _find_span(column):
        yield from _list_time_bounds(column, span)
        return
    if _is_never_negative(column):
        reason = f"No value of the {profile.rows:,} rows of the sample is negative; a negative one is wrong."
        yield _format("critical", "InSet", f"is_{column.name}_negative", reason, {"value_set": [False]})
    if column.name.endswith(_MAY_BE_NEGATIVE) and column.profile.type == "double":
        limit = 90 if column.name.endswith("latitude") else 180
        reason = f"Degrees are between -{limit} and {limit}; anything else is a placeholder or another unit."
        yield _format("critical", "Between", column.name, reason, {"min_value": -limit, "max_value": limit})
    yield from _list_range(profile, column)


def _list_time_bounds(column: DraftColumn, span: tuple[str, str]) -> Iterator[str]:
    reason = f"The sample begins on {span[0]}; a row over a year earlier was dated or read incorrectly."
    limit = {"max_value": _DAYS_OUTSIDE_MAX}
    yield _format("critical", "Between", f"{column.name}_days_before_sample", reason, limit)
    reason = f"The sample ends on {span[1]}; a row over a year after that and after today was dated incorrectly."
    yield _format("critical", "Between", f"{column.name}_days_after_today", reason, limit)


def _list_range(profile: Profile, column: DraftColumn) -> Iterator[str]:
    """A warning outside the range of the sample, widened by half of it."""
    low, high = column.profile.minimum, column.profile.maximum
    is_number = column.profile.type in ("integer", "double", "decimal")
    if not is_number or profile.rows < _RANGE_ROWS_MIN or isinstance(low, str) or isinstance(high, str):
        return
    if low is None or high is None:
        return
    margin = 0.5 * (high - low)
    reason = f"The sample has {low:g} to {high:g}; the limits are half of that range further out."
    limits = {"min_value": float(f"{low - margin:.6g}"), "max_value": float(f"{high + margin:.6g}")}
    yield _format("warning", "Between", column.name, reason, limits)


def _list_accepted(profile: Profile, column: DraftColumn) -> Iterator[str]:
    found = column.profile
    if found.type != "text" or column.is_key or not found.is_top_complete or not found.top:
        return
    if len(found.top) > min(_ACCEPTED_MAX, profile.rows // 2) or found.is_personal:
        return
    values = sorted({top.value.strip() for top in found.top})
    reason = f"The sample has {len(values)} different values; a new one is in no comparison until somebody knows it."
    yield _format("warning", "InSet", column.name, reason, {"value_set": values})


def _draft_volume(profile: Profile, source_name: str) -> str:
    usual = max(1, profile.rows // profile.files)
    reason = f"The sample has {usual:,} rows per file; under a tenth of that is a truncated file."
    rare = f"The sample has {usual:,} rows per file; look at a file with under half or over twice as many."
    drafts = _format("critical", "Between", "rows_of_file", reason, {"min_value": max(1, usual // 10)})
    drafts += _format(
        "warning", "Between", "rows_of_file", rare, {"min_value": max(1, usual // 2), "max_value": 2 * usual}
    )
    adapt = f"    # ADAPT({source_name}): a sample that is only a part of a file has too few rows\n"
    return "".join(f"        {line}" for line in (adapt + drafts).splitlines(keepends=True))


_CLASSES = {
    "NotNull": "ExpectColumnValuesToNotBeNull",
    "Between": "ExpectColumnValuesToBeBetween",
    "InSet": "ExpectColumnValuesToBeInSet",
}


def _format(severity: str, kind: str, column: str, reason: str, arguments: Mapping[str, object]) -> str:
    """The call of `critical` or `warning`; `repr` writes values of the sample as literals."""
    listed = "".join(f"        {name}={value!r},\n" for name, value in arguments.items())
    return f'    {severity}(\n        gxe.{_CLASSES[kind]},\n        "{column}",\n        "{reason}",\n{listed}    ),\n'
