"""Profiles a file or a published table."""

from typing import Any

from data_stack.errors import TerminalError
from data_stack.settings import Settings
from scaffold.profile.evidence import create_column, set_type
from scaffold.profile.files import Opened, open_file, open_table
from scaffold.profile.keys import count_duplicates, find_keys, set_top_values
from scaffold.profile.model import ColumnProfile, Profile, TimeZoneGuess, to_json_value
from scaffold.profile.personal import CARD, PATTERNS, find_personal_name, find_personal_values, has_card_numbers
from scaffold.profile.statistics import Column, count_rows, fetch_one, list_columns, measure_columns
from scaffold.profile.zones import guess_zone

# month first, as the month of American dates; a tie is reported
_TIME_FORMATS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y",
    "%m-%d-%Y",
)
_CARD_SAMPLE = 500
_CARD_NUMBER_MIN = 10**12


def profile_file(origin: str, settings: Settings, show_personal: bool = False) -> Profile:
    """Profile a file.

    Args:
        origin: Path or http(s) URL of a Parquet, CSV, JSON or GeoJSON file, or of a zip of these.
        settings: Time-out and attempts of HTTP.
        show_personal: Keep the values of personal columns.

    Raises:
        TerminalError: It cannot be read; the message says why and what to do.
        TransientError: The URL cannot be fetched now.
    """
    with open_file(origin, settings) as opened:
        return _profile(opened, show_personal)


def profile_table(table: str, settings: Settings, show_personal: bool = False) -> Profile:
    """Profile a table of the published warehouse.

    Args:
        table: For example `core.fct_trips`.
        settings: Whose warehouse.
        show_personal: Keep the values of personal columns.

    Raises:
        UsageError: The publication has no such table.
        TerminalError: Nothing has been published.
    """
    with open_table(table, settings) as opened:
        return _profile(opened, show_personal)


def _profile(opened: Opened, show_personal: bool) -> Profile:
    db, relation = opened.db, opened.relation
    # it would make a join of each list of words that a column is compared with: ten times the time of a small file
    db.execute("set disabled_optimizers = 'in_clause'")
    rows, columns = count_rows(db, relation), list_columns(db, relation)
    if not rows:
        rejected = f" ({opened.rejected_lines} lines could not be read)" if opened.rejected_lines else ""
        raise TerminalError(f"{opened.origin} has columns but no rows{rejected}; give a file with data")
    found = measure_columns(db, relation, columns, rows)
    profiles = {column.name: create_column(column, found[column.name], rows) for column in columns}
    for column in columns:
        reason = _find_personal_reason(opened, column, profiles[column.name], found[column.name])
        profiles[column.name].personal_reason = reason
        profiles[column.name].is_personal = bool(reason)
        _describe_times(opened, column, profiles[column.name], found[column.name])
        if reason and not show_personal:
            profiles[column.name].hide_values()
    set_top_values(db, relation, columns, profiles, show_personal)
    keys = find_keys(db, relation, columns, profiles, rows)
    return Profile(
        opened.origin,
        opened.format,
        opened.files,
        opened.details,
        rows,
        opened.rejected_lines,
        0 if keys else count_duplicates(db, relation, columns, rows),
        keys,
        tuple(profiles.values()),
    )


def _find_personal_reason(opened: Opened, column: Column, profile: ColumnProfile, found: dict[str, Any]) -> str:
    """Why a column is personal; the publication decides about the columns of a published table, and adds to names."""
    if column.name in opened.personal_columns:
        return "personal column of the warehouse"
    if opened.format != "table" and (reason := find_personal_name(column.name)):
        return reason
    if not found["values"]:
        return ""
    # the digits of a time can look like a phone
    is_time = profile.type in ("date", "timestamp")
    shares = {kind: 0.0 if is_time else found.get(kind, 0) / found["values"] for kind in PATTERNS}
    if shares["card"] or _has_long_numbers(profile):
        shares["card"] = _measure_cards(opened, column, shares["card"])
    return find_personal_values(shares)


def _has_long_numbers(profile: ColumnProfile) -> bool:
    greatest = profile.maximum
    return profile.stored_type != "VARCHAR" and isinstance(greatest, int) and greatest >= _CARD_NUMBER_MIN


def _measure_cards(opened: Opened, column: Column, share: float) -> float:
    """The share of values that look like card numbers, or 0 if their check digits are not those of cards."""
    rows = opened.db.execute(
        f"select {column.sql}::varchar from {opened.relation} where regexp_full_match(trim({column.sql}::varchar), ?)"
        f" limit {_CARD_SAMPLE}",
        [CARD],
    ).fetchall()
    if not rows or not has_card_numbers([value for (value,) in rows]):
        return 0.0
    return max(share, 1.0 if column.kind == "number" else 0.0)


def _describe_times(opened: Opened, column: Column, profile: ColumnProfile, found: dict[str, Any]) -> None:
    """Recognise other formats of dates, and set the zone of a timestamp."""
    if profile.type == "text" and found["values"] and found.get("dateish", 0) == found["values"]:
        _find_time_format(opened, column, profile)
    if profile.time_format and profile.time_format.startswith("epoch"):
        profile.zone = TimeZoneGuess("utc", ("UTC",), f"{profile.time_format} are counted in UTC", 24)
    elif profile.type == "timestamp":
        profile.zone = _find_zone(opened, column, profile, found)


def _find_time_format(opened: Opened, column: Column, profile: ColumnProfile) -> None:
    counts = fetch_one(
        opened.db,
        f"select {', '.join(f'count(try_strptime({column.value}, ?))' for _ in _TIME_FORMATS)} from {opened.relation}",
        _TIME_FORMATS,
    )
    fitting = [time_format for time_format, count in zip(_TIME_FORMATS, counts, strict=True) if count == max(counts)]
    if not max(counts):
        return
    profile.time_format = fitting[0]
    doubt = "; day and month cannot be told apart" if len(fitting) > 1 else ""
    set_type(
        profile, "timestamp" if "%H" in fitting[0] or "%I" in fitting[0] else "date", f"texts as {fitting[0]}{doubt}"
    )
    time = f"try_strptime({column.value}, '{fitting[0]}')"
    parsed, least, greatest = fetch_one(
        opened.db, f"select count(t), min(t), max(t) from (select {time} as t from {opened.relation})"
    )
    values = fetch_one(opened.db, f"select count({column.value}) from {opened.relation}")[0]
    profile.unparsable = values - parsed
    is_date = profile.type == "date"
    profile.minimum, profile.maximum = (str(t)[:10] if is_date else to_json_value(t) for t in (least, greatest))


def _find_zone(opened: Opened, column: Column, profile: ColumnProfile, found: dict[str, Any]) -> TimeZoneGuess:
    if "TIME ZONE" in profile.stored_type:
        return TimeZoneGuess("aware", ("UTC",), "the type has a time zone", 24)
    if found.get("offsets", 0):
        return TimeZoneGuess("aware", (), f"{found['offsets']} of {found['values']} texts have an offset", 24)
    time = f"try_strptime({column.value}, '{profile.time_format}')" if profile.time_format else column.value
    return guess_zone(opened.db, opened.relation, f"try_cast({time} as timestamp)", profile.name)
