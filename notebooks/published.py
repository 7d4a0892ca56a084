"""What the notebooks share: the connection to the published file, and how notes, answers and tables are shown."""

import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from IPython.display import display

from data_stack.errors import TerminalError
from data_stack.palette import BLUE, PRINT_PALETTE
from data_stack.publications import Publication, read_publication
from data_stack.settings import Settings
from data_stack.warehouse import open_masked_warehouse, open_warehouse

SHOW_PERSONAL = "SHOW_PERSONAL"
"""Environment variable of the kernel: with the value 1, personal columns have their values."""

SMALLEST_GROUP = 3
"""Amounts of fewer transactions than these are not shown: they could be the amount of a single one."""


class NotReadyError(TerminalError):
    """The data cannot answer the notebook's question; only the message is shown, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """IPython prints these lines instead of a traceback."""
        return [str(self)]


class Published:
    """The published file as it was when the notebook opened it; later publications change nothing.

    Args:
        path: `Settings.warehouse_file`. It is open as long as this object exists.
        summed: Personal columns whose values are not hidden, because the notebook needs their sums.
        show_personal: Hide no personal column at all.

    Attributes:
        publication: The publication that the file contains.
        smallest_group: The smallest number of transactions whose amounts may be shown.

    Raises:
        TerminalError: Nothing has been published yet, or the publication does not say which columns are personal.
    """

    def __init__(self, path: Path, summed: Collection[str] = (), show_personal: bool = False) -> None:
        warehouse = open_warehouse(path) if show_personal else open_masked_warehouse(path, summed)
        # an attribute, because an ExitStack that nobody keeps is collected and closes the connection
        self._open = ExitStack()
        self._db = self._open.enter_context(warehouse)
        self.publication = read_publication(self._db)
        self.smallest_group = 1 if show_personal else SMALLEST_GROUP

    def fetch_frame(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Fetch the rows of a query.

        Args:
            sql: One select. It aggregates wherever possible.
            parameters: Values of the query's `$name` parameters.
        """
        return self._db.execute(sql, dict(parameters or {})).pl()

    def fetch_row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fetch the only row of a query, as values by column.

        Args:
            sql: One select that returns exactly one row.
            parameters: Values of the query's `$name` parameters.
        """
        return self.fetch_frame(sql, parameters).row(0, named=True)


def open_published(*sources: str, summed: Collection[str] = ()) -> Published:
    """Open the published file, say which publication it is, and set the style of the charts.

    Personal columns are hidden (see `open_masked_warehouse`) unless the kernel's environment has `SHOW_PERSONAL=1`.

    Args:
        sources: Names of the sources that the notebook needs.
        summed: Personal columns whose sums the notebook needs, for example `core.fct_transactions.amount`. Their values
            are not hidden, so the notebook must not show the value of a single row.

    Raises:
        NotReadyError: Nothing is published, the publication does not say which columns are personal, or one of the
            sources has no rows.
    """
    show_personal = os.environ.get(SHOW_PERSONAL) == "1"
    try:
        published = Published(Settings.load().warehouse_file, summed, show_personal)
    except TerminalError as error:
        raise NotReadyError(str(error)) from None
    rows = {state.source.name: state.rows for state in published.publication.sources}
    for source in sources:
        require(
            rows.get(source, 0) > 0,
            f"{source}: the published warehouse has no rows of it; `data-stack status` lists the pending loads, and "
            "`data-stack run` loads, checks and publishes",
        )
    _set_chart_style()
    show_note(
        f"Publication {published.publication.publication_id} of "
        f"{published.publication.published_at_utc:%Y-%m-%d %H:%M} UTC. "
        f"Rows of the facts: {', '.join(f'{source} {rows[source]:,}' for source in sources)}."
    )
    show_note(_describe_origin(published.publication))
    if show_personal:
        show_note("Personal values are shown. Do not pass this report on.")
    return published


def require(is_fulfilled: bool, message: str) -> None:
    """Stop the notebook where the data cannot answer the question.

    Args:
        is_fulfilled: Whether the data can answer it.
        message: What is missing, and how to get it.

    Raises:
        NotReadyError: The condition is not fulfilled.
    """
    if not is_fulfilled:
        raise NotReadyError(message)


def show_note(text: str) -> None:
    """Show a text with computed values."""
    _show(text, "", {})


def show_answer(text: str, **values: float | int | str | None) -> None:
    """Show the computed answer of a section.

    Args:
        text: The answer, with formatted numbers.
        values: The same numbers without rounding. They are kept in the metadata of the output, where tests read them.
    """
    _show(text, f"border-left: 4px solid {BLUE}; padding: 4px 12px; font-weight: 600", {"answer": values})


def show_table(frame: pl.DataFrame) -> None:
    """Show a small frame, with numbers aligned to the right and text to the left.

    Args:
        frame: All its rows are shown.
    """
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in frame.columns)
    body = "".join(f"<tr>{''.join(_render_cell(value) for value in row)}</tr>" for row in frame.iter_rows())
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    display({"text/html": html, "text/plain": str(frame)}, raw=True)


def _render_cell(value: Any) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or isinstance(value, str):
        return f'<td style="text-align: left">{escape(value or "")}</td>'
    return f"<td>{value:,.2f}</td>" if isinstance(value, float) else f"<td>{value:,}</td>"


def _show(text: str, style: str, metadata: dict[str, Any]) -> None:
    # names in the data are not trusted: they are escaped and never read as Markdown
    html = f'<p style="{style}; max-width: 75em">{escape(text)}</p>'
    display({"text/html": html, "text/plain": text}, raw=True, metadata=metadata)


def _describe_origin(publication: Publication) -> str:
    origins = {state.origin for state in publication.sources if state.rows}
    if "sample" in origins:
        return "The data of this publication is generated. The findings describe the generator and nothing else."
    if origins == {"live"}:
        return "The data comes from the live providers."
    return "The publication does not record whether its data is live or generated."


def _set_chart_style() -> None:
    # imported here because the tests of this module need no charts
    import plotly.graph_objects as go
    import plotly.io as pio

    layout = go.Layout(
        colorway=list(PRINT_PALETTE),
        font={"size": 13},
        margin={"l": 70, "r": 30, "t": 60, "b": 60},
        height=400,
        title={"x": 0.02},
    )
    pio.templates["data_stack"] = go.layout.Template(layout=layout)
    pio.templates.default = "plotly_white+data_stack"
