"""Numbers, days and times as people read them."""

import re
from datetime import date, datetime

_MARKDOWN = re.compile(r"([\\`*_\[\]<>$~:])")


def number(value: float | None, decimals: int = 0) -> str:
    """A number with thousands separated; a dash where there is none."""
    return "-" if value is None else f"{value:,.{decimals}f}"


def share(value: float | None, decimals: int = 1) -> str:
    """A share of 1 as per cent."""
    return "-" if value is None else f"{100 * value:.{decimals}f} %"


def change(value: float, decimals: int = 0) -> str:
    """A change, as a share of 1, in per cent with its sign."""
    # adding 0 turns the minus of a rounded 0 into a plus
    return f"{round(100 * value, decimals) + 0:+.{decimals}f} %"


def money(value: float | None) -> str:
    """An amount, two decimals; exports state no currency."""
    return number(value, 2)


def degrees(value: float | None) -> str:
    """A temperature in degrees Celsius."""
    return "-" if value is None else f"{value:.1f} °C"


def day(value: date | None) -> str:
    """A day: `31 Dec 2024`."""
    return "-" if value is None else f"{value.day} {value:%b %Y}"


def month(value: date) -> str:
    """A month: `Dec 2024`."""
    return f"{value:%b %Y}"


def moment(value: datetime | str | None) -> str:
    """A UTC time, to the minute; run records hold it as text."""
    if value is None:
        return "-"
    known = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{day(known)} {known:%H:%M} UTC"


def escape(text: str) -> str:
    """Words of data or of other programs, for a place that reads markdown."""
    return _MARKDOWN.sub(r"\\\1", text)
