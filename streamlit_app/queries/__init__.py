"""The SQL of the pages, one module per page with the page's name."""

import polars as pl

from streamlit_app.data import NothingToShowError
from streamlit_app.filters import Period


def read_bounds(frame: pl.DataFrame, message: str) -> Period:
    """Read the first and the last day that a page can show.

    Args:
        frame: One row of two days; null without any data.
        message: What is missing, and what to do.

    Raises:
        NothingToShowError: There is no day.
    """
    first, last = frame.row(0)
    if first is None:
        raise NothingToShowError(message)
    return Period(first, last)
