"""Sidebar filters. Streamlit keeps each value in the URL, so a page can be shared and reloaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import streamlit as st

from streamlit_app.formats import format_day

CHOSEN_DAYS = "Chosen days"
# days of each choice; all loaded days where there is no number
PERIODS = {"Last 7 days": 7, "Last 28 days": 28, "Last 90 days": 90, "Last 365 days": 365, "All days": None}
DEFAULT_PERIOD = "Last 90 days"
GRANULARITIES = {"day": "Day", "week": "Week", "month": "Month"}


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """The period of the same length that ends on the day before this one."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))

    def __str__(self) -> str:
        return f"{format_day(self.first)} to {format_day(self.last)}"


def choose_period(bounds: Period) -> Period:
    """Let the reader choose days: the last ones that are loaded, or the days between two dates.

    Args:
        bounds: The first and the last loaded day.

    Returns:
        The chosen days that are loaded.
    """
    name = choose("period", "Period", {name: name for name in (*PERIODS, CHOSEN_DAYS)}, DEFAULT_PERIOD)
    if name == CHOSEN_DAYS:
        # two fields: a single one for both dates would hold an incomplete range between the two clicks
        ends = _choose_day("from", "From", bounds) or bounds.first, _choose_day("to", "To", bounds) or bounds.last
        period = Period(min(ends), max(ends))
    else:
        length = timedelta(days=(PERIODS[name] or bounds.days) - 1)
        period = Period(max(bounds.first, bounds.last - length), bounds.last)
    st.sidebar.caption(f"{period}")
    return period


def choose_granularity() -> str:
    """Let the reader choose `day`, `week` or `month`."""
    return choose("by", "By", GRANULARITIES, "day")


def choose(name: str, label: str, options: Mapping[str, str], default: str) -> str:
    """Let the reader choose one of several options.

    Args:
        name: Name of the URL parameter.
        label: Label of the field.
        options: Text of each option; the URL contains the text.
        default: The option without a choice.

    Returns:
        The chosen option, always one of `options`.
    """
    requested = _get_first_request(name)
    chosen = st.sidebar.selectbox(
        label, list(options), list(options).index(default), options.__getitem__, key=name, bind="query-params"
    )
    _warn_if_ignored(label, requested, options[chosen])
    return chosen


def enter_text(name: str, label: str, placeholder: str = "") -> str:
    """Let the reader type a text.

    Args:
        name: Name of the URL parameter.
        label: Label of the field.
        placeholder: Shown while the field is empty.
    """
    return st.sidebar.text_input(label, key=name, placeholder=placeholder, bind="query-params").strip()


def _choose_day(name: str, label: str, bounds: Period) -> date | None:
    requested = _get_first_request(name)
    # no default: Streamlit leaves defaults out of the URL, and a link would change with the next publication
    chosen = st.sidebar.date_input(label, None, bounds.first, bounds.last, key=name, bind="query-params")
    _warn_if_ignored(label, requested, str(chosen))
    return chosen


def _get_first_request(name: str) -> str | None:
    """Return what the URL asked for when the page was opened; Streamlit removes values that it cannot use."""
    return None if name in st.session_state else st.query_params.get(name)


def _warn_if_ignored(label: str, requested: str | None, used: str) -> None:
    if requested not in (None, used):
        st.sidebar.warning(
            f"{label}: the URL contains a value that is invalid or not loaded. It is ignored.",
            icon=":material/link_off:",
        )
