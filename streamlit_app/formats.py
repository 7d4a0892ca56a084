"""Numbers, days and times as text for readers."""

import re
from datetime import date, datetime

_MARKDOWN = re.compile(r"([\\`*_\[\]<>$~:])")


def format_number(value: float | None, decimals: int = 0) -> str:
    """Format a number with thousands separators; a missing one is a dash."""
    return "-" if value is None else f"{value:,.{decimals}f}"


def format_share(value: float | None, decimals: int = 1) -> str:
    """Format a share between 0 and 1 as per cent."""
    return "-" if value is None else f"{100 * value:.{decimals}f} %"


def format_change(value: float, decimals: int = 0) -> str:
    """Format a relative change, 1 is +100 %, in per cent with its sign."""
    # adding 0 turns the minus of a rounded 0 into a plus
    return f"{round(100 * value, decimals) + 0:+.{decimals}f} %"


def format_money(value: float | None) -> str:
    """Format an amount with two decimals; exports state no currency."""
    return format_number(value, 2)


def format_temperature(value: float | None) -> str:
    """Format a temperature in degrees Celsius."""
    return "-" if value is None else f"{value:.1f} °C"


def format_amount(value: float | None, unit: str) -> str:
    """Format an amount with one decimal and its unit: `12.5 mm`."""
    return "-" if value is None else f"{format_number(value, 1)} {unit}"


def format_day(value: date | None) -> str:
    """Format a day: `31 Dec 2024`."""
    return "-" if value is None else f"{value.day} {value:%b %Y}"


def format_month(value: date) -> str:
    """Format a month: `Dec 2024`."""
    return f"{value:%b %Y}"


def format_time(value: datetime | str | None) -> str:
    """Format a UTC time to the minute; run records contain times as text."""
    if value is None:
        return "-"
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{format_day(time)} {time:%H:%M} UTC"


def escape_markdown(text: str) -> str:
    """Escape a text from the data or from another program for a place that reads markdown."""
    return _MARKDOWN.sub(r"\\\1", text)
