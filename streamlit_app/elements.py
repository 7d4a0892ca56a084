"""What pages are made of beside charts: a figure with its change, a table with its download."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import polars as pl
import streamlit as st

from streamlit_app.formats import number

Change = Literal["relative", "points", "degrees"]
_UNITS = {"relative": "%", "points": "points", "degrees": "°C"}


def metric_with_change(
    label: str,
    value: float | None,
    before: float | None,
    show: Callable[[float | None], str] = number,
    change: Change = "relative",
    good: Literal["up", "down", "neither"] = "neither",
    note: str | None = None,
) -> None:
    """A key figure, and how it changed.

    Args:
        label: What it is.
        value: The figure; None shows a dash.
        before: What it is compared with; None shows no change.
        show: Words of a figure.
        change: `relative` in per cent of the earlier figure, `points` for shares, `degrees` for temperatures.
        good: Which way is good news; neither shows it grey.
        note: An explanation behind a question mark.
    """
    delta = change_in_words(value, before, change)
    is_none = delta is not None and delta[0] not in "+-"
    colour: Any = "off" if is_none else {"up": "normal", "down": "inverse", "neither": "off"}[good]
    arrow: Any = "off" if is_none else "auto"
    st.metric(label, show(value), delta, delta_color=colour, delta_arrow=arrow, help=note, border=True)


def change_in_words(value: float | None, before: float | None, change: Change = "relative") -> str | None:
    """The difference with its sign and unit; None where there is nothing to compare.

    Args:
        value: The figure.
        before: The earlier one.
        change: See `metric_with_change`.
    """
    if value is None or before is None or (change == "relative" and before <= 0):
        return None
    difference = {"relative": 100 * (value / (before or 1) - 1), "points": 100 * (value - before)}
    rounded = round(difference.get(change, value - before), 1)
    return f"{rounded:+.1f} {_UNITS[change]}" if rounded else f"0.0 {_UNITS[change]}"


def table_with_download(
    frame: pl.DataFrame, name: str, title: str, columns: Mapping[str, Any] | None = None, height: int | None = None
) -> None:
    """A table under its title, with a button that downloads it as CSV.

    Args:
        frame: Its rows.
        name: Name of the file, without ending; also tells the buttons of a page apart.
        title: What it shows.
        columns: Streamlit's column configuration by column: words with the unit, a format.
        height: Pixels; without it the table shows up to ten rows.
    """
    words, button = st.columns([4, 1], vertical_alignment="bottom")
    words.markdown(f"##### {title}")
    with button:
        st.download_button(
            "Download CSV",
            frame.write_csv(),
            f"{name}.csv",
            "text/csv",
            key=f"download-{name}",
            on_click="ignore",
            icon=":material/download:",
            width="stretch",
        )
    st.dataframe(frame, hide_index=True, column_config=dict(columns or {}), height=height or "auto", placeholder="-")


def number_column(label: str, decimals: int = 0, unit: str = "") -> Any:
    """Configuration of a column of numbers.

    Args:
        label: Its heading, with the unit.
        decimals: Digits after the point.
        unit: Words after each value.
    """
    return st.column_config.NumberColumn(label, format=f"%,.{decimals}f{unit and ' ' + unit}")


def day_column(label: str) -> Any:
    """Configuration of a column of days."""
    return st.column_config.DateColumn(label, format="D MMM YYYY")


def moment_column(label: str) -> Any:
    """Configuration of a column of UTC times; the heading says so."""
    return st.column_config.DatetimeColumn(label, format="D MMM YYYY HH:mm")
