"""Key figures: metrics as one number over a period, the same number that the command and the API give.

The SQL of these totals is published with the data, so a page does not import MetricFlow.
"""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from data_stack.metrics.catalog import Metric
from data_stack.metrics.query import MetricQuery
from data_stack.metrics.question import Question
from streamlit_app.data import FileVersion, NothingToShowError, Warehouse
from streamlit_app.filters import Period
from streamlit_app.guard import require_table

Figures = dict[str, float | None]
"""Values by the name of the metric; None without a value."""


def fetch_figures(warehouse: Warehouse, names: Sequence[str], period: Period | None = None) -> Figures:
    """Get metrics as one number each, or their values from the cache.

    Args:
        warehouse: The publication.
        names: Names of the metrics: a constant that ends with FIGURES, from which the lineage is checked.
        period: The days, of which those that are not complete do not count; None for the present state.

    Raises:
        NothingToShowError: The publication was made by a version without one of the metrics, or without its table.
        TerminalError: The publication was made by a version without metrics, or without their SQL.
    """
    first, last = (period.first, period.last) if period else (None, None)
    return {name: _fetch(warehouse, warehouse.key, name, first, last)[0] for name in names}


def find_last_day(warehouse: Warehouse, name: str) -> date | None:
    """Find the last complete day of a metric; None if nothing is loaded.

    Args:
        warehouse: The publication.
        name: Name of the metric.

    Raises:
        NothingToShowError: The publication was made by a version without the metric.
        TerminalError: The publication was made by a version without metrics, or without their SQL.
    """
    return _fetch(warehouse, warehouse.key, name, None, None)[1]


@st.cache_data(max_entries=512, show_spinner=False)
def _fetch(
    _warehouse: Warehouse, key: tuple[str, FileVersion], name: str, first: date | None, last: date | None
) -> tuple[float | None, date | None]:
    metrics = _warehouse.metrics
    if name not in metrics.catalog.metrics:
        raise NothingToShowError(
            f"the publication was made by an earlier version and has no metric {name}; `data-stack run` publishes it"
            " again"
        )
    _require_tables(_warehouse, metrics.catalog.metrics[name])
    answer = Question(metrics, MetricQuery(metrics=(name,), start=first, end=last)).answer()
    return answer.rows[0][0] if answer.rows else None, answer.data_until


def _require_tables(warehouse: Warehouse, metric: Metric) -> None:
    for model in metric.models:
        table = model.relation.replace('"', "")
        # the run records are in every publication
        if not table.startswith("ops."):
            require_table(warehouse, table)
