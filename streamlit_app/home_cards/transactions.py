"""Money of the last complete month, compared with the month before it."""

from typing import Literal

import streamlit as st

from streamlit_app.data import NothingToShowError
from streamlit_app.elements import Metric, show_metrics
from streamlit_app.filters import Period
from streamlit_app.formats import format_money, format_month
from streamlit_app.queries import transactions_home as queries
from streamlit_app.view import View

# attributes of `queries.Month`, with the direction of good news
MONEY: dict[str, Literal["up", "down"]] = {"income": "up", "spending": "down", "net": "up"}


def render(view: View, _period: Period | None) -> None:
    """Draw the card; the month does not depend on the chosen days."""
    now, before = queries.get_last_months(view.warehouse)
    if now is None:
        raise NothingToShowError("no month of transactions is complete yet; `data-stack run` loads later exports")
    month = format_month(now.month)
    show_metrics(
        *(
            Metric(
                f"{name.capitalize()}, {month}",
                getattr(now, name),
                getattr(before, name, None),
                format_money,
                good=good,
            )
            for name, good in MONEY.items()
        )
    )
    previous = f"Compared with {format_month(before.month)}." if before else None
    st.caption(previous or "No comparison: the month before is missing or not complete.")
