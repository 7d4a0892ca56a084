"""Transactions: cash flow, spending from parent category down to the transaction, recurring payments, search."""

import calendar
import math
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import day_column, metric_with_change, number_column, table_with_download
from streamlit_app.filters import Period
from streamlit_app.formats import escape, money, month, number, share
from streamlit_app.guard import require_table, sentences
from streamlit_app.page import Page
from streamlit_app.queries import transactions as queries
from streamlit_app.queries.transactions import Found, Selection, Totals
from streamlit_app.view import View

PAGE = Page(
    title="Transactions",
    icon=":material/receipt_long:",
    order=50,
    sources=("transactions",),
)

MONEY_A_MONTH = "Amount per month"
# exports state no currency
AMOUNT = number_column("Amount, money out", 2)
TRANSACTION: dict[str, Any] = {
    "date": day_column("Day"),
    "name": "Name",
    "amount": AMOUNT,
    "type": "Type",
    "parent_category": "Parent category",
    "category": "Category",
    "account": "Account",
    "status": "Status",
    "is_excluded": st.column_config.CheckboxColumn("Excluded by the owner"),
}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    bounds = queries.bounds(warehouse)
    period = filters.period(bounds)
    months = whole_months(period)
    with sentences(view):
        _cash_flow(warehouse, months)
    with sentences(view):
        _spending(warehouse, months)
    with sentences(view):
        _recurring(warehouse)
    with sentences(view):
        _search(warehouse, period)


def whole_months(period: Period) -> Period:
    """The months that a period touches, from the first day of the first one to the last day of the last one."""
    length = calendar.monthrange(period.last.year, period.last.month)[1]
    return Period(period.first.replace(day=1), period.last.replace(day=length))


def _words(months: Period) -> str:
    first, last = month(months.first), month(months.last)
    return first if first == last else f"{first} to {last}"


def _cash_flow(warehouse: Warehouse, months: Period) -> None:
    st.subheader("Cash flow")
    require_table(warehouse, queries.CASH_FLOW)
    frame = queries.cash_flow(warehouse, months)
    if frame.is_empty():
        raise NothingToShowError("no income and no spending in these months; choose another period in the sidebar")
    whole = frame.filter("is_complete")
    _totals(queries.totals(warehouse, months))
    title = f"Income, spending and net by month, {_words(months)}"
    charts.show(cash_flow_figure(frame, months), title, _partial(frame))
    if whole["savings_rate"].count() > 1:
        charts.show(
            savings_figure(whole, months), f"Savings rate by month, {_words(months)}", "Net by income, whole months."
        )
    columns = {
        "month": st.column_config.DateColumn("Month", format="MMM YYYY"),
        "income": number_column("Income", 2),
        "spending": number_column("Spending", 2),
        "net": number_column("Net", 2),
        "savings_rate": st.column_config.NumberColumn("Savings rate", format="percent"),
        "is_complete": st.column_config.CheckboxColumn("Whole month"),
    }
    table_with_download(frame.reverse(), "cash-flow-monthly", f"Cash flow by month, {_words(months)}", columns)


def _totals(totals: Totals) -> None:
    """Figures of the whole months; those of a month that is cut would mislead."""
    _metrics(
        ("Income", totals.income, money),
        ("Spending", totals.spending, money),
        ("Net", totals.net, money),
        ("Savings rate", totals.savings_rate, share),
    )
    months = "month" if totals.months == 1 else "months"
    st.caption(
        f"Over {totals.months} whole {months}. Transfers between own accounts and excluded transactions stay out."
    )


def _metrics(*figures: tuple[str, float | None, Callable[[float | None], str]]) -> None:
    for column, (label, value, show) in zip(st.columns(len(figures)), figures, strict=True):
        with column:
            metric_with_change(label, value, None, show)


def _partial(frame: pl.DataFrame) -> str:
    partial = [month(value) for value in frame.filter(~pl.col("is_complete"))["month"]]
    if not partial:
        return ""
    are = "may be partial and is hatched" if len(partial) == 1 else "may be partial and are hatched"
    return f"{' and '.join(partial)} {are}: the exports do not cover every day of every account."


def cash_flow_figure(frame: pl.DataFrame, months: Period) -> go.Figure:
    """Income, spending and net side by side; months that may be partial are hatched.

    Args:
        frame: Rows of `queries.cash_flow`.
        months: The months of the axis.
    """
    series = {"Income": "income", "Spending": "spending", "Net": "net"}
    figure = charts.stacked_bars(_named(frame), "month", series, "", MONEY_A_MONTH, ",.2f")
    figure.update_traces(marker_pattern_shape=["" if whole else "/" for whole in frame["is_complete"]])
    figure.update_layout(barmode="group", bargap=0.25)
    return _by_month(figure, months)


def savings_figure(whole: pl.DataFrame, months: Period) -> go.Figure:
    """The savings rate of whole months; the arguments are those of `cash_flow_figure`."""
    figure = charts.lines(_named(whole), "month", {"Savings rate": "savings_rate"}, "", "Net by income", ".1%")
    figure.update_traces(mode="lines+markers")
    figure.update_yaxes(tickformat=".0%")
    figure.update_layout(height=240, margin={"t": 10})
    return _by_month(figure, months)


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.Series("month", [month(first) for first in frame["month"]], pl.String))


def _by_month(figure: go.Figure, months: Period, room: int = 14) -> go.Figure:
    """Give every month its place, also one without a row, and as many names as there is room for."""
    names = [month(first) for first in pl.date_range(months.first, months.last, "1mo", eager=True)]
    figure.update_xaxes(
        type="category",
        categoryarray=names,
        range=[-0.5, len(names) - 0.5],
        tickvals=names[:: math.ceil(len(names) / room)],
    )
    return figure


def _spending(warehouse: Warehouse, months: Period) -> None:
    st.subheader("Spending by category")
    require_table(warehouse, queries.SPENDING)
    chosen = _choose(queries.categories(warehouse))
    by_month = queries.by_month(warehouse, months, chosen)
    if by_month.is_empty():
        raise NothingToShowError("no spending in these months and this category; choose others in the sidebar")
    st.caption(f"{_words(months)}. Refunds are taken off; transfers and excluded transactions stay out.")
    left, right = st.columns(2)
    within = f"in {_inline(chosen.parent)} by category" if chosen.parent else "by parent category"
    with left:
        charts.show(bars_figure(queries.bars(warehouse, months, chosen.parent), chosen.category), f"Spending {within}")
    with right:
        _spending_by_month(by_month, months, chosen)
    _categories(queries.spending(warehouse, months, chosen.parent), f"Spending {within}, {_words(months)}")
    found = queries.spent(warehouse, months, chosen)
    _transactions(found, "spending", f"Transactions of {_name(chosen)}, {_words(months)}")


def _choose(known: list[Selection]) -> Selection:
    """A parent category or one of its categories, in one list: two lists would disagree after a change of one."""
    by_words = {_option(selection): selection for selection in known}
    options = {"": "All categories"} | {words: words for words in by_words}
    return by_words.get(filters.choice("category", "Category", options, ""), Selection())


def _option(selection: Selection) -> str:
    return " / ".join(filter(None, (selection.parent, selection.category)))


def _name(chosen: Selection) -> str:
    return _inline(_option(chosen)) or "all categories"


def _inline(text: str) -> str:
    """Words of data or of the address for a title, which is one line."""
    return escape(" ".join(text.split()))


def _spending_by_month(frame: pl.DataFrame, months: Period, chosen: Selection) -> None:
    figure = charts.stacked_bars(_named(frame), "month", {"Spending": "amount"}, "", MONEY_A_MONTH, ",.2f")
    figure.update_layout(margin={"t": 10})
    charts.show(_by_month(figure, months, room=6), f"Spending by month, {_name(chosen)}")


def bars_figure(bars: pl.DataFrame, marked: str) -> go.Figure:
    """Horizontal bars, the largest on top.

    Args:
        bars: Rows of `queries.bars`.
        marked: Name of the one that the page is about; empty for all.
    """
    figure = go.Figure(layout={"template": charts.TEMPLATE, "height": max(340, 60 + 26 * bars.height)})
    figure.add_bar(
        x=bars["amount"].to_list(),
        y=[charts.plain(name) for name in bars["name"]],
        orientation="h",
        marker={"color": [charts.BLUE if marked in ("", name) else charts.GREY for name in bars["name"]]},
        hovertemplate="%{y}: %{x:,.2f}<extra></extra>",
    )
    figure.update_layout(hovermode="closest", margin={"t": 10})
    figure.update_xaxes(title_text="Amount")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _categories(frame: pl.DataFrame, title: str) -> None:
    total = frame["amount"].sum()
    shares = (pl.col("amount") / total if total > 0 else pl.lit(None, pl.Float64)).alias("share")
    columns = {
        "parent_category": "Parent category",
        "category": "Category",
        "amount": number_column("Amount", 2),
        "transactions": number_column("Transactions"),
        "share": st.column_config.NumberColumn("Share of the amount", format="percent"),
    }
    table_with_download(frame.with_columns(shares), "spending-by-category", title, columns)


def _transactions(found: Found, name: str, title: str) -> None:
    table_with_download(found.frame, name, title, TRANSACTION)
    if found.count > found.frame.height:
        st.caption(
            f"The latest {number(found.frame.height)} of {number(found.count)}; a shorter period or a category"
            " shows the others."
        )


def _recurring(warehouse: Warehouse) -> None:
    st.subheader("Recurring payments")
    require_table(warehouse, queries.RECURRING)
    frame = queries.recurring(warehouse)
    if frame.is_empty():
        raise NothingToShowError(
            "the exports name no recurring payment; name some where they come from and load them by `data-stack run`"
        )
    totals = queries.recurring_totals(warehouse)
    _metrics(
        ("Recurring spending a month", totals.spending, money),
        ("Recurring income a month", totals.income, money),
        ("Active payments", totals.payments, number),
    )
    st.caption("Of active payments: the last one, as often as its cadence has it, to a month.")
    _recurring_table(frame)


def _recurring_table(frame: pl.DataFrame) -> None:
    columns = {
        "name": "Name",
        "type": "Type",
        "state": "State",
        "cadence": "Cadence",
        "monthly_amount": number_column("Amount a month", 2),
        "last_amount": number_column("Last payment", 2),
        "amount_change": st.column_config.NumberColumn("Change", format="%+.2f"),
        "next_expected_date": day_column("Next expected"),
        "last_date": day_column("Last paid"),
        "category": "Category",
        "payments": number_column("Payments"),
        "last_covered_date": day_column("Account loaded through"),
    }
    table_with_download(frame, "recurring-payments", "Recurring payments, of all loaded days", columns)
    st.caption(
        "Change: from the payment before. Ended: nothing came for longer than the cadence allows, as of the day that"
        " the account is loaded through. Nothing is expected of payments that are irregular or were paid once."
    )


def _search(warehouse: Warehouse, period: Period) -> None:
    st.subheader("Search")
    st.caption("Amounts are positive where money went out, negative where it came in.")
    words = filters.text("words", "Search transactions", "Part of a name or a category")
    if not words:
        raise NothingToShowError("type a part of a name or of a category into the search field of the sidebar")
    found = queries.search(warehouse, period, words)
    if not found.count:
        raise NothingToShowError(f"no transaction from {period} has these words; change them or the period")
    _transactions(found, "search", f"{number(found.count)} found with “{_inline(words)}”, {period}")
