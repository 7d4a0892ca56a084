"""The type of a column, by what its values are evidence for."""

from typing import Any

from scaffold.profile.model import ColumnProfile, Type, to_json_value
from scaffold.profile.personal import split_tokens
from scaffold.profile.statistics import EXACT_ROWS_MAX, QUANTILES, Column

PARSED_SHARE_MIN = 0.99
"""A text column has a type if so many of its values can be read as it; the others are counted as unparsable."""

_ID_ENDINGS = frozenset("id ids code codes zip zipcode postcode postal uuid guid key fips iso".split())
_MONEY_TOKENS = frozenset(
    "amount price cost fee fare balance charge revenue salary tip tax payment surcharge toll tolls total subtotal"
    " gross net".split()
)
_TIME_TOKENS = frozenset("time timestamp epoch reported updated created at date".split())
_LONG_DIGITS = 16
# 1998 to 2096; measures of this size have no name of a time
_EPOCH_SECONDS = (9e8, 4e9)


def create_column(column: Column, found: dict[str, Any], rows: int) -> ColumnProfile:
    """The profile of a column, without zone, top values and exact keys.

    Args:
        column: The column.
        found: Its statistics.
        rows: Rows of the relation.
    """
    blanks = found.get("blanks", 0)
    profile = ColumnProfile(
        column.name,
        column.stored_type,
        nulls=found["nulls"],
        null_share=round(found["nulls"] / rows, 6) if rows else 0.0,
        blanks=blanks,
        placeholders=rows - found["nulls"] - blanks - found["values"] if column.kind == "text" else 0,
        distinct=min(found["distinct"], found["values"]),
        is_distinct_exact=rows <= EXACT_ROWS_MAX,
    )
    {
        "text": _describe_text,
        "number": _describe_number,
        "time": _describe_time,
        "boolean": _describe_boolean,
        "nested": _describe_nested,
    }[column.kind](profile, found)
    return profile


def is_id_name(name: str) -> bool:
    """Whether a column's name says that its values identify something."""
    tokens = split_tokens(name)
    return bool(tokens) and tokens[-1] in _ID_ENDINGS


def set_type(profile: ColumnProfile, kind: Type, reason: str) -> None:
    """Set the type of a column with the reason for it."""
    profile.type, profile.type_reason = kind, reason


def _describe_text(profile: ColumnProfile, found: dict[str, Any]) -> None:
    values = found["values"]
    profile.mean_length = round(found["mean_length"], 1) if values else None
    profile.max_length = found["max_length"]
    profile.shares = _list_shares(found)
    set_type(profile, *_decide_text(profile, found))
    if profile.type in ("integer", "double", "decimal"):
        profile.unparsable = values - found["numbers"]
        _set_numbers(profile, found, "number_minimum", "number_maximum")
        _find_epoch(profile)
    elif profile.type in ("date", "timestamp"):
        profile.unparsable = values - found["times"]
        profile.minimum, profile.maximum = _format_times(profile, found["time_minimum"], found["time_maximum"])
    else:
        profile.unparsable = values - found["booleans"] if profile.type == "boolean" else 0
        profile.minimum, profile.maximum = found["minimum"], found["maximum"]


def _list_shares(found: dict[str, Any]) -> dict[str, float]:
    names = {
        "integer": "integers",
        "double": "numbers",
        "boolean": "booleans",
        "date": "dates",
        "timestamp": "times",
        "uuid": "uuids",
    }
    return {name: round(found[count] / found["values"], 6) if found["values"] else 0.0 for name, count in names.items()}


def _decide_text(profile: ColumnProfile, found: dict[str, Any]) -> tuple[Type, str]:
    values = found["values"]
    if not values:
        return "text", "no values"
    required = PARSED_SHARE_MIN * values
    if found["words"] == values or (found["booleans"] == values and found["distinct"] == 2):
        return "boolean", "true and false, or yes and no"
    if found["numbers"] >= required:
        return _decide_number(profile, found, is_text=True)
    if found["times"] >= required:
        if found["dates"] >= required:
            return "date", "dates"
        return "timestamp", "times with an offset" if found["offsets"] >= required else "times"
    return "text", "UUIDs" if found["uuids"] == values else "other texts"


def _decide_number(profile: ColumnProfile, found: dict[str, Any], is_text: bool) -> tuple[Type, str]:
    is_integer = found["integers"] >= PARSED_SHARE_MIN * found["values"]
    if reason := _find_id_evidence(profile, found, is_integer, is_text):
        return "text", f"an id: {reason}"
    parsed = found["numbers"] if is_text else found["values"]
    is_money = bool(_MONEY_TOKENS.intersection(split_tokens(profile.name)))
    # texts that do not parse are no reason against decimals
    if is_money and found["cents"] == parsed:
        return "decimal", "money by its name, and no value has more than two decimals"
    if is_integer:
        return "integer", "whole numbers"
    return "double", "numbers"


def _find_id_evidence(profile: ColumnProfile, found: dict[str, Any], is_integer: bool, is_text: bool) -> str:
    if not is_integer:
        return ""
    if is_id_name(profile.name):
        return "its name says so"
    if not is_text or _TIME_TOKENS.intersection(split_tokens(profile.name)):
        return ""
    if found["leading_zeros"]:
        return "digits with leading zeros"
    if found["max_length"] >= _LONG_DIGITS:
        return f"up to {found['max_length']} digits"
    has_all = profile.is_distinct_exact and found["distinct"] == found["values"] > 1
    return "digits that are different in every row" if has_all and not profile.nulls else ""


def _describe_number(profile: ColumnProfile, found: dict[str, Any]) -> None:
    set_type(profile, *(_decide_number(profile, found, is_text=False) if found["values"] else ("double", "no values")))
    _set_numbers(profile, found, "minimum", "maximum")
    _find_epoch(profile)


def _set_numbers(profile: ColumnProfile, found: dict[str, Any], minimum: str, maximum: str) -> None:
    profile.minimum, profile.maximum = to_json_value(found[minimum]), to_json_value(found[maximum])
    profile.negatives = found["negatives"]
    if found["quantiles"]:
        profile.quantiles = dict(zip(QUANTILES, (float(value) for value in found["quantiles"]), strict=True))
    if profile.type == "integer":
        profile.minimum, profile.maximum = (
            int(value) if isinstance(value, float) else value for value in (profile.minimum, profile.maximum)
        )


def _find_epoch(profile: ColumnProfile) -> None:
    """Recognise numbers that count seconds or milliseconds since 1970; they stay numbers in the raw table."""
    if not _TIME_TOKENS.intersection(split_tokens(profile.name)):
        return
    least, greatest = profile.minimum, profile.maximum
    if not isinstance(least, int) or not isinstance(greatest, int):
        return
    for scale, name in ((1, "epoch seconds"), (1000, "epoch milliseconds")):
        if _EPOCH_SECONDS[0] * scale <= least and greatest <= _EPOCH_SECONDS[1] * scale:
            profile.time_format = name


def _describe_time(profile: ColumnProfile, found: dict[str, Any]) -> None:
    is_date = profile.stored_type == "DATE"
    all_midnight = found["values"] > 1 and found["midnights"] == found["values"]
    is_midnight_only = all_midnight and found["distinct"] > 1
    if is_date or (is_midnight_only and "TIME ZONE" not in profile.stored_type):
        set_type(profile, "date", "dates" if is_date else "times that are all midnight")
    else:
        set_type(profile, "timestamp", "times")
    profile.minimum, profile.maximum = _format_times(profile, found["minimum"], found["maximum"])


def _format_times(profile: ColumnProfile, *times: Any) -> tuple[float | int | str | None, ...]:
    is_date = profile.type == "date"
    return tuple(str(time)[:10] if time is not None and is_date else to_json_value(time) for time in times)


def _describe_boolean(profile: ColumnProfile, found: dict[str, Any]) -> None:
    set_type(profile, "boolean", "true and false")


def _describe_nested(profile: ColumnProfile, found: dict[str, Any]) -> None:
    set_type(profile, "nested", "lists, structures or bytes; kept as JSON text")
