"""Around every page: what is missing, empty, pinned or stale is a sentence with a next step, and so is a failure."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb
import streamlit as st

from data_stack.errors import DataStackError, TerminalError
from streamlit_app.data import NothingToShowError, Publication, SourceState, Warehouse
from streamlit_app.formats import day, escape, moment
from streamlit_app.page import FoundPage, Page
from streamlit_app.view import View

_LOG = logging.getLogger(__name__)


def show(found: FoundPage, view: View) -> None:
    """Draw a page with what there is to say about its data.

    Args:
        found: The page.
        view: What it looks at.
    """
    st.title(found.page.title)
    with sentences(view):
        _show_pin(view)
        if found.page.needs_warehouse:
            _check(found.page, view)
        found.render(view)


@contextmanager
def sentences(view: View) -> Iterator[None]:
    """Show a failure in the block as a sentence; the page goes on after it.

    Args:
        view: Whose last run is shown where nothing is published.
    """
    try:
        yield
    except NothingToShowError as error:
        st.info(_sentence(str(error)), icon=":material/info:")
    except DataStackError as error:
        fail(error)
        if not view.settings.warehouse_file.exists():
            show_last_run(view)
    except duckdb.Error as error:
        _log(error)
        fail(TerminalError(_unreadable(error)))
    except Exception as error:
        _log(error)
        fail(TerminalError(f"this page failed ({type(error).__name__}); the terminal of `make app` says where"))


def fail(error: DataStackError) -> None:
    """Show an error of ours."""
    st.error(_sentence(str(error)), icon=":material/error:")


def show_last_run(view: View) -> None:
    """Say how the last run ended, as soon as there was one."""
    runs = view.ops.last_runs(1) if view.ops else []
    for run in runs:
        words = f"The last run, `{run['command']}` of {moment(run['started_at_utc'])}, {_STATES[run['status']]}."
        (st.success if run["status"] == "succeeded" else st.warning)(words, icon=":material/history:")
        if run["error"]:
            # words of other programs: not read as markdown
            st.text(run["error"])


_STATES = {
    "succeeded": "succeeded",
    "failed": "failed; mend what it names and run `data-stack run` again",
    "running": "is still running; this page shows what was published before",
    "interrupted": "was interrupted; `data-stack run` takes it up again",
}


def require_rows(state: SourceState) -> None:
    """A source that this part of a page cannot do without.

    Raises:
        NothingToShowError: It has no rows; says which command loads them.
    """
    if not state.rows:
        name, title = state.source.name, state.source.title
        raise NothingToShowError(f"{title}: nothing is loaded; `data-stack run --sources {name}` loads and publishes")


def require_table(warehouse: Warehouse, table: str) -> None:
    """A table that this part of a page cannot do without.

    Raises:
        NothingToShowError: The publication is older than the table; says which command builds it.
    """
    if not warehouse.has(table):
        raise NothingToShowError(f"the publication has no `{table}`; `data-stack run` builds and publishes it")


def stale_sources(publication: Publication, names: tuple[str, ...], days: int) -> list[SourceState]:
    """Sources that have rows, but nothing new for some time.

    Args:
        publication: The publication.
        names: Sources to look at; none stands for all.
        days: `Settings.stale_after_days`.
    """
    return [
        state
        for state in publication.sources
        if (not names or state.source.name in names)
        and state.loaded_at_utc is not None
        and days_since(state.loaded_at_utc) >= days
    ]


def days_since(moment_utc: datetime) -> int:
    """Whole days from a UTC time until now."""
    return (datetime.now(UTC).replace(tzinfo=None) - moment_utc).days


def _check(page: Page, view: View) -> None:
    """Say what the reader has to know; raise where there is nothing to show."""
    publication = view.warehouse.publication
    for table in page.tables:
        require_table(view.warehouse, table)
    for name in page.sources:
        require_rows(publication.source(name))
    for state in stale_sources(publication, page.sources, view.settings.stale_after_days):
        st.warning(_stale(state), icon=":material/schedule:")


def _show_pin(view: View) -> None:
    current = view.ops.current_publication() if view.ops else None
    if current and current["pinned_at_utc"]:
        st.warning(
            f"The publication of {moment(current['published_at_utc'])} is pinned by a rollback"
            f" ({escape(current['pin_reason'])}). Runs publish nothing until `data-stack publish` ends the pin.",
            icon=":material/push_pin:",
        )


def _stale(state: SourceState) -> str:
    through = f"; its data ends on {day(state.data_through)}" if state.data_through else ""
    return (
        f"{state.source.title}: nothing new was loaded since {moment(state.loaded_at_utc)}{through}. "
        f"`data-stack run --sources {state.source.name}` loads what the provider has since."
    )


def _unreadable(error: duckdb.Error) -> str:
    kind = type(error).__name__
    return f"the publication does not fit this page ({kind}); `data-stack run` builds and publishes it again"


def _sentence(text: str) -> str:
    """Upper case first letter, full stop; commands stay in their marks."""
    parts = text.split("`")
    escaped = [escape(part) if number % 2 == 0 else f"`{part}`" for number, part in enumerate(parts)]
    joined = "".join(escaped)
    return joined[:1].upper() + joined[1:] + ("" if joined.endswith(".") else ".")


def _log(error: Exception) -> None:
    # where, not what: the words of an error can quote a row
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s in a page\n%s", type(error).__name__, where)
