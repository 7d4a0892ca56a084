"""Money of the last complete month, compared with the month before it."""

from datetime import timedelta
from typing import Literal

import streamlit as st

from streamlit_app.data import NothingToShowError
from streamlit_app.elements import Metric, show_metrics
from streamlit_app.figures import fetch_figures, find_last_day
from streamlit_app.filters import Period
from streamlit_app.formats import format_money, format_month
from streamlit_app.view import View

FIGURES = ("income", "spending", "net_income")
_LABELS = ("Income", "Spending", "Net")
_GOOD: tuple[Literal["up", "down"], ...] = ("up", "down", "up")


def render(view: View, _period: Period | None) -> None:
    """Draw the card; the month does not depend on the chosen days."""
    last = find_last_day(view.warehouse, FIGURES[0])
    if last is None:
        raise NothingToShowError("no month of transactions is complete yet; `data-stack run` loads later exports")
    month = Period(last.replace(day=1), last)
    before_it = month.first - timedelta(days=1)
    now = fetch_figures(view.warehouse, FIGURES, month)
    before = fetch_figures(view.warehouse, FIGURES, Period(before_it.replace(day=1), before_it))
    show_metrics(
        *(
            Metric(f"{label}, {format_month(month.first)}", now[name], before[name], format_money, good=good)
            for name, label, good in zip(FIGURES, _LABELS, _GOOD, strict=True)
        )
    )
    if before[FIGURES[0]] is None:
        st.caption("No comparison: the month before is missing or not complete.")
    else:
        st.caption(f"Compared with {format_month(before_it)}.")
