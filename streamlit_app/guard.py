"""Around every page: missing, pinned or stale data and every failure become a message with a next step."""

import logging
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb
import polars as pl
import streamlit as st

from data_stack.errors import DataStackError, TerminalError
from data_stack.held_back import HeldBack
from data_stack.publications import Publication, SourceState, find_pin
from data_stack.registry import SOURCES
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.formats import escape_markdown, format_day, format_time
from streamlit_app.page import FoundPage, Page
from streamlit_app.view import View

_LOG = logging.getLogger(__name__)
_REASON_CHARACTERS = 240
_STATUSES = {
    "succeeded": "succeeded",
    "failed": "failed; fix the reported problem and run `data-stack run` again",
    "running": "is still running; this page shows the publication before it",
    "interrupted": "was interrupted; `data-stack run` resumes it",
}


def show_page(found: FoundPage, view: View) -> None:
    """Draw a page, with warnings about its data.

    Args:
        found: The page.
        view: The publication and the run records.
    """
    st.title(found.page.title)
    with show_failures(view):
        _require_registered()
        _show_pin(view)
        if found.page.needs_warehouse:
            _check_data(found.page, view)
        found.render(view)


@contextmanager
def show_failures(view: View) -> Iterator[None]:
    """Show a failure in the block as a message; the page continues after the block.

    Args:
        view: Its last run is shown when nothing is published.
    """
    try:
        yield
    except NothingToShowError as error:
        st.info(_format_message(error), icon=":material/info:")
    except DataStackError as error:
        show_error(error)
        if not view.settings.warehouse_file.exists():
            show_last_run(view)
    except Exception as error:
        show_error(describe_unexpected(error))


def describe_unexpected(error: Exception) -> TerminalError:
    """Log where an unexpected error happened, and describe it without its text, which can quote a row.

    Args:
        error: Not one of this platform.

    Returns:
        What a reader may see.
    """
    kind, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s in a page\n%s", kind, where)
    if isinstance(error, duckdb.Error):
        return TerminalError(
            f"the publication does not fit this page ({kind}); `data-stack run` builds and publishes it again"
        )
    return TerminalError(f"this page failed ({kind}); the terminal of `make app` shows where")


def show_error(error: DataStackError) -> None:
    """Show an error of this platform."""
    st.error(_format_message(error), icon=":material/error:")


def show_last_run(view: View) -> None:
    """Show how the last run ended, if there was one."""
    for run in view.ops.last_runs(1) if view.ops else []:
        message = (
            f"The last run, `{run['command']}` of {format_time(run['started_at_utc'])}, {_STATUSES[run['status']]}."
        )
        (st.success if run["status"] == "succeeded" else st.warning)(message, icon=":material/history:")
        if run["error"]:
            # from other programs: not read as markdown
            st.text(run["error"])


def require_source(state: SourceState) -> None:
    """Require that a source has rows.

    Raises:
        NothingToShowError: It has none; names the command that loads them.
    """
    if not state.rows:
        name, title = state.source.name, state.source.title
        raise NothingToShowError(f"{title}: nothing is loaded; `data-stack run --sources {name}` loads and publishes")


def require_table(warehouse: Warehouse, table: str) -> None:
    """Require that the publication has a table.

    Raises:
        NothingToShowError: The publication is older than the table; names the command that builds it.
    """
    if not warehouse.has(table):
        raise NothingToShowError(f"the publication has no `{table}`; `data-stack run` builds and publishes it")


def require_rows(frame: pl.DataFrame, message: str) -> None:
    """Require that a query returned rows.

    Args:
        frame: Its rows.
        message: What is missing, and what to do.

    Raises:
        NothingToShowError: There are none.
    """
    if frame.is_empty():
        raise NothingToShowError(message)


def require_complete_days(complete: int, period: Period) -> None:
    """Require that a period has complete days, and show how many days are left out.

    Args:
        complete: How many of its days are complete.
        period: The days.

    Raises:
        NothingToShowError: None is complete.
    """
    if complete == 0:
        raise NothingToShowError("no day of this period is complete; choose another period in the sidebar")
    if complete < period.days:
        st.caption(
            f"{period.days - complete} of the {period.days} days are not complete and are left out of the charts."
        )


def find_stale_sources(publication: Publication, names: tuple[str, ...], days: int) -> list[SourceState]:
    """Find sources that have rows, but no new ones for some time.

    Args:
        publication: The publication.
        names: Sources to check; all if empty.
        days: `Settings.stale_after_days`.
    """
    return [
        state
        for state in publication.sources
        if (not names or state.source.name in names)
        and state.loaded_at_utc is not None
        and count_days_since(state.loaded_at_utc) >= days
    ]


def count_days_since(time_utc: datetime) -> int:
    """Count the whole days from a UTC time until now."""
    return (datetime.now(UTC).replace(tzinfo=None) - time_utc).days


def _require_registered() -> None:
    if not SOURCES:
        raise NothingToShowError("no source is registered; `data-stack new-source` adds one")


def _check_data(page: Page, view: View) -> None:
    publication = view.warehouse.publication
    for table in page.tables:
        require_table(view.warehouse, table)
    # before the rows are required: it can be the reason why there are none
    for held in view.warehouse.find_held_back():
        if not page.sources or held.source_name in page.sources:
            _show_held_back(held, publication.source_state(held.source_name))
    for name in page.sources:
        require_source(publication.source_state(name))
    for state in find_stale_sources(publication, page.sources, view.settings.stale_after_days):
        through = f" Its data ends on {format_day(state.data_through)}." if state.data_through else ""
        st.warning(
            f"{state.source.title}: no new rows since {format_time(state.loaded_at_utc)}.{through}"
            f" `data-stack run --sources {state.source.name}` loads what the provider has published since then.",
            icon=":material/schedule:",
        )


def _show_held_back(held: HeldBack, state: SourceState) -> None:
    reason = textwrap.shorten(held.reason.splitlines()[0], _REASON_CHARACTERS, placeholder=" ...").removesuffix(".")
    shown = "The numbers are those of the last load that passed." if state.rows else "Nothing of it has passed yet."
    st.warning(
        f"{state.source.title}: held back since {format_time(held.since_utc)}: {escape_markdown(reason)}. {shown}"
        " The page Data quality has the details.",
        icon=":material/front_hand:",
    )


def _show_pin(view: View) -> None:
    if view.ops is None or not view.settings.warehouse_file.exists():
        return
    publication = view.warehouse.publication
    pin = find_pin(view.ops, publication)
    if pin:
        state = "is pinned by a rollback" if pin.is_complete else "is replaced by the next run, as a rollback asks"
        st.warning(
            f"The publication of {format_time(publication.published_at_utc)} {state} ({escape_markdown(pin.reason)})."
            " Runs publish nothing until `data-stack publish` ends the pin.",
            icon=":material/push_pin:",
        )


def _format_message(error: DataStackError) -> str:
    """Format an error as a sentence: upper case first letter, full stop, commands as code."""
    parts = str(error).split("`")
    text = "".join(f"`{part}`" if number % 2 else escape_markdown(part) for number, part in enumerate(parts))
    return text[:1].upper() + text[1:].removesuffix(".") + "."
