"""Filters in the sidebar. The URL holds what was chosen, so a page can be shared, and survives a change of page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from streamlit_app.formats import day, escape

_MEMORY = "chosen"
_CHOSEN_DAYS = "days"
PRESETS = {
    "7d": "Last 7 days",
    "28d": "Last 28 days",
    "90d": "Last 90 days",
    "365d": "Last 365 days",
    "all": "All days",
    _CHOSEN_DAYS: "Chosen days",
}
DEFAULT_PERIOD = "90d"
GRANULARITIES = {"day": "Day", "week": "Week", "month": "Month"}


@dataclass(frozen=True)
class Period:
    """Days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """The period of the same length that ends the day before."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))

    def __str__(self) -> str:
        return f"{day(self.first)} to {day(self.last)}"


def restore() -> None:
    """Take over what the URL says, and write back what a change of page took out of it."""
    memory = _memory()
    memory.update(st.query_params.to_dict())
    for name, text in memory.items():
        _write(name, text)


def period(bounds: Period, name: str = "period") -> Period:
    """Let the reader choose days: a preset that ends with the data, or two dates.

    Args:
        bounds: First and last day that there is something to show of.
        name: Its name in the URL.
    """
    text, chosen = _read_period(_memory().get(name, DEFAULT_PERIOD), bounds)
    _write(name, text)
    preset, days = text if text in PRESETS else _CHOSEN_DAYS, f"{chosen.first}..{chosen.last}"
    _select(name, "Period", PRESETS, preset, lambda value: days if value == _CHOSEN_DAYS else value)
    if preset == _CHOSEN_DAYS:
        _dates(name, chosen, bounds)
    st.sidebar.caption(f"{chosen}")
    return chosen


def choice(name: str, label: str, options: Mapping[str, str], default: str) -> str:
    """Let the reader choose one of several.

    Args:
        name: Its name in the URL.
        label: Words beside it.
        options: Words by value; values stand in the URL.
        default: The value where nothing was chosen.

    Returns:
        The value, which is always one of the options.
    """
    value = _memory().get(name, default)
    if value not in options:
        shown = escape(options[default])
        _complain(f"{label}: the address asks for something that there is not; shown is {shown}.")
        value = default
    _write(name, value)
    _select(name, label, options, value, str)
    return value


def granularity() -> str:
    """Let the reader choose `day`, `week` or `month`."""
    return choice("by", "By", GRANULARITIES, "day")


def text(name: str, label: str, placeholder: str = "") -> str:
    """Let the reader type words to look for.

    Args:
        name: Its name in the URL.
        label: Words beside it.
        placeholder: Shown while it is empty.
    """
    value = _memory().get(name, "")
    key = f"filter-{name}"
    st.session_state[key] = value
    st.sidebar.text_input(label, key=key, placeholder=placeholder, on_change=_take, args=(name, key, str))
    return value.strip()


def parse_period(text: str, bounds: Period) -> Period:
    """Days from the words in the URL.

    Args:
        text: A key of `PRESETS`, or `2024-01-01..2024-01-31`.
        bounds: The days there are; what lies beyond is cut off.

    Raises:
        ValueError: The words are no period, or one outside of the bounds; a part of a sentence.
    """
    if text == "all":
        return bounds
    if text in PRESETS and text != _CHOSEN_DAYS:
        length = int(text.removesuffix("d"))
        return Period(max(bounds.first, bounds.last - timedelta(days=length - 1)), bounds.last)
    first, last = _parse_dates(text)
    if last < first:
        raise ValueError("the first day in the address is after the last")
    cut = Period(max(first, bounds.first), min(last, bounds.last))
    if cut.days < 1:
        raise ValueError(f"the days in the address are not loaded, which are {bounds}")
    return cut


def _read_period(text: str, bounds: Period) -> tuple[str, Period]:
    try:
        return text, parse_period(text, bounds)
    except ValueError as error:
        _complain(f"Period: {error}; shown are the {PRESETS[DEFAULT_PERIOD].lower()}.")
        return DEFAULT_PERIOD, parse_period(DEFAULT_PERIOD, bounds)


def _parse_dates(text: str) -> tuple[date, date]:
    first, _, last = text.partition("..")
    try:
        return date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise ValueError("the address has no two days such as 2024-01-01..2024-01-31") from None


def _dates(name: str, chosen: Period, bounds: Period) -> None:
    """Two fields and not one of both days, which is incomplete between the two clicks."""
    keys = f"filter-{name}-first", f"filter-{name}-last"
    for key, label, value in zip(keys, ("From", "To"), (chosen.first, chosen.last), strict=True):
        st.session_state[key] = value
        st.sidebar.date_input(
            label, min_value=bounds.first, max_value=bounds.last, key=key, on_change=_take_dates, args=(name, keys)
        )


def _take_dates(name: str, keys: tuple[str, str]) -> None:
    days = [st.session_state[key] for key in keys]
    if all(days):
        _write(name, f"{min(days)}..{max(days)}")


def _select(name: str, label: str, options: Mapping[str, str], value: str, to_text: Callable[[str], str]) -> None:
    key = f"filter-{name}"
    # the URL is the truth, and the widget shows it
    st.session_state[key] = value
    st.sidebar.selectbox(
        label, list(options), format_func=options.__getitem__, key=key, on_change=_take, args=(name, key, to_text)
    )


def _take(name: str, key: str, to_text: Callable[[Any], str]) -> None:
    _write(name, to_text(st.session_state[key]))


def _write(name: str, text: str) -> None:
    _memory()[name] = text
    if st.query_params.get(name) != text:
        st.query_params[name] = text


def _memory() -> dict[str, str]:
    memory: dict[str, str] = st.session_state.setdefault(_MEMORY, {})
    return memory


def _complain(sentence: str) -> None:
    st.sidebar.warning(sentence, icon=":material/link_off:")
