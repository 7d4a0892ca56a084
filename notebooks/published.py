"""What every notebook begins and ends with: the published file, checked, and the form of an answer."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from IPython.display import display

from data_stack.errors import TerminalError
from data_stack.palette import PRINT_PALETTE as COLOURS
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse


class NotReadyError(TerminalError):
    """The data does not answer the notebook's question; shown as its sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """IPython prints these lines instead of a traceback."""
        return [str(self)]


class Published:
    """The published file as it was when the notebook began; a publication in between changes nothing.

    Args:
        path: `Settings.warehouse_file`; open until the kernel ends.

    Raises:
        TerminalError: Nothing has been published yet.
    """

    def __init__(self, path: Path) -> None:
        self._open = ExitStack()
        self._db = self._open.enter_context(open_warehouse(path))

    def frame(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The rows of a query.

        Args:
            sql: One select; aggregates where it can.
            parameters: Values of its `$name`s.
        """
        return self._db.execute(sql, dict(parameters or {})).pl()

    def row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row of a query, by column.

        Args:
            sql: One select that gives one row.
            parameters: Values of its `$name`s.
        """
        return self.frame(sql, parameters).row(0, named=True)


def open_published(*sources: str) -> Published:
    """Open the published file, say which publication it is, and set the style of charts.

    Args:
        sources: Names of the sources whose facts the notebook needs.

    Raises:
        NotReadyError: Nothing is published, or a source has no row.
    """
    settings = Settings.load()
    try:
        published = Published(settings.warehouse_file)
    except TerminalError as error:
        raise NotReadyError(str(error)) from None
    rows = {name: _rows(published, name) for name in sources}
    _set_style()
    note(f"{_publication(published)} Rows of the facts: {', '.join(f'{n} {rows[n]:,}' for n in rows)}.")
    note(_origin(published))
    return published


def require(fulfilled: bool, sentence: str) -> None:
    """Stop the notebook with a sentence where the data does not answer the question.

    Args:
        fulfilled: Whether it does.
        sentence: What is missing, and what would bring it.

    Raises:
        NotReadyError: It does not.
    """
    if not fulfilled:
        raise NotReadyError(sentence)


def note(sentence: str) -> None:
    """Show a computed sentence."""
    _show(sentence, "", {})


def answer(sentence: str, **values: float | int | str | None) -> None:
    """Show the computed answer of a section.

    Args:
        sentence: The answer, with its numbers formatted.
        values: The same numbers unrounded, kept in the output's metadata, where the tests read them.
    """
    _show(sentence, "border-left: 4px solid #0072B2; padding: 4px 12px; font-weight: 600", {"answer": values})


def table(frame: pl.DataFrame) -> None:
    """Show a small frame: numbers with separators on the right, text on the left.

    Args:
        frame: Every row of it is shown.
    """
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in frame.columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in frame.iter_rows())
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    display({"text/html": html, "text/plain": str(frame)}, raw=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or isinstance(value, str):
        return f'<td style="text-align: left">{escape(value or "")}</td>'
    return f"<td>{value:,.2f}</td>" if isinstance(value, float) else f"<td>{value:,}</td>"


def _show(sentence: str, style: str, metadata: dict[str, Any]) -> None:
    # names in the data are not trusted: escaped, and never read as Markdown
    html = f'<p style="{style}; max-width: 75em">{escape(sentence)}</p>'
    display({"text/html": html, "text/plain": sentence}, raw=True, metadata=metadata)


def _rows(published: Published, source: str) -> int:
    rows: int = published.row(f"select count(*) as n from {get_source(source).fact}")["n"]
    require(
        rows > 0,
        f"{source}: the published warehouse has no rows of it; `data-stack status` says which loads wait, and "
        f"`data-stack run` loads, checks and publishes",
    )
    return rows


def _publication(published: Published) -> str:
    row = published.row(
        "select publication_id, published_at_utc from ops.publications join ops.publication using (publication_id)"
    )
    return f"Publication {row['publication_id']} of {row['published_at_utc']:%Y-%m-%d %H:%M} UTC."


def _origin(published: Published) -> str:
    found = published.row("select sources from ops.publications join ops.publication using (publication_id)")
    described = json.loads(found["sources"]).values()
    origins = {of_source.get("origin") for of_source in described if of_source["rows"]}
    if "sample" in origins:
        return "Rows of this publication are generated: what is found is true of the generator only."
    if origins == {"live"}:
        return "The rows come from the live providers."
    return "The publication does not record whether its rows are live or generated."


def _set_style() -> None:
    # late: the tests of this module need no charts
    import plotly.graph_objects as go
    import plotly.io as pio

    layout = go.Layout(
        colorway=COLOURS, font={"size": 13}, margin={"l": 70, "r": 30, "t": 60, "b": 60}, height=400, title={"x": 0.02}
    )
    pio.templates["data_stack"] = go.layout.Template(layout=layout)
    pio.templates.default = "plotly_white+data_stack"
