"""The parts of pages besides charts: key figures with their change, tables with a download."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
import streamlit as st

from streamlit_app.formats import format_number

Change = Literal["relative", "share", "temperature"]
_UNITS = {"relative": "%", "share": "percentage points", "temperature": "°C"}


@dataclass(frozen=True)
class Metric:
    """A key figure.

    Attributes:
        label: Its name.
        value: Its value; None shows a dash.
        before: The earlier value that it is compared with; None shows no change.
        show: Formats the value.
        change: `relative` in per cent of the earlier value, `share` in percentage points, `temperature` in degrees.
        good: The direction of good news; the change is grey for `neither`.
        note: An explanation behind a question mark.
    """

    label: str
    value: float | None
    before: float | None = None
    show: Callable[[float | None], str] = format_number
    change: Change = "relative"
    good: Literal["up", "down", "neither"] = "neither"
    note: str | None = None


def show_metrics(*metrics: Metric) -> None:
    """Show key figures side by side."""
    for column, metric in zip(st.columns(len(metrics)), metrics, strict=True):
        delta = format_difference(metric.value, metric.before, metric.change)
        is_unchanged = delta is not None and delta[0] not in "+-"
        colour: Any = "off" if is_unchanged else {"up": "normal", "down": "inverse", "neither": "off"}[metric.good]
        column.metric(
            metric.label,
            metric.show(metric.value),
            delta,
            delta_color=colour,
            delta_arrow="off" if is_unchanged else "auto",
            help=metric.note,
            border=True,
        )


def format_difference(value: float | None, before: float | None, change: Change = "relative") -> str | None:
    """Format the difference of two values with its sign and unit; None where they cannot be compared.

    Args:
        value: The value.
        before: The earlier value.
        change: See `Metric`.
    """
    if value is None or before is None or (change == "relative" and before <= 0):
        return None
    difference = {"relative": 100 * (value / (before or 1) - 1), "share": 100 * (value - before)}
    rounded = round(difference.get(change, value - before), 1)
    return f"{rounded:+.1f} {_UNITS[change]}" if rounded else f"0.0 {_UNITS[change]}"


def show_table(
    frame: pl.DataFrame,
    name: str,
    title: str,
    columns: Mapping[str, Any] | None = None,
    decimals: int = 1,
    height: int | None = None,
) -> None:
    """Show a table under its title, with a button that downloads it as CSV.

    Labels and formats come from the names and types of the columns: `loaded_at_utc` is "Loaded (UTC)".

    Args:
        frame: Its rows.
        name: Name of the file without extension; must be unique on the page.
        title: What the table shows.
        columns: Another label by column, for example with a unit; a configuration of Streamlit; None hides the column.
        decimals: Decimals of floating point numbers.
        height: Height in pixels; without it the table shows up to ten rows.
    """
    heading, button = st.columns([4, 1], vertical_alignment="bottom")
    heading.markdown(f"##### {title}")
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
    labels = {column: _make_label(column) for column in frame.columns} | dict(columns or {})
    config = {
        column: _configure_column(column, kind, labels[column], decimals)
        if isinstance(labels[column], str)
        else labels[column]
        for column, kind in frame.schema.items()
    }
    st.dataframe(frame, hide_index=True, column_config=config, height=height or "auto", placeholder="-")


def _make_label(column: str) -> str:
    label = column.removeprefix("is_").removesuffix("_id").removesuffix("_at_utc").replace("_", " ").capitalize()
    return f"{label} (UTC)" if column.endswith("_at_utc") else label


def _configure_column(column: str, kind: pl.DataType, label: str, decimals: int) -> Any:
    if kind == pl.Datetime:
        return st.column_config.DatetimeColumn(label, format="D MMM YYYY HH:mm")
    if kind == pl.Date:
        return st.column_config.DateColumn(label, format="D MMM YYYY")
    if column.endswith(("share", "rate")):
        return st.column_config.NumberColumn(label, format="percent")
    if kind.is_numeric():
        return st.column_config.NumberColumn(label, format=f"%,.{decimals if kind.is_float() else 0}f")
    return st.column_config.Column(label)


def wide_column(label: str) -> Any:
    """Configure a wide column of text."""
    return st.column_config.TextColumn(label, width="large")
