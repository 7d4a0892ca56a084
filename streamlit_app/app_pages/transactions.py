"""Transactions: cash flow, spending from parent category to transaction, recurring payments, search."""

import calendar
import math

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.palette import BLUE, GREY
from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.elements import Metric, show_metrics, show_table
from streamlit_app.figures import fetch_figures
from streamlit_app.filters import Period
from streamlit_app.formats import escape_markdown, format_money, format_month, format_number, format_share
from streamlit_app.guard import require_rows, require_table, show_failures
from streamlit_app.page import Page
from streamlit_app.queries import transactions as queries
from streamlit_app.queries.transactions import Selection, Transactions
from streamlit_app.view import View

PAGE = Page(
    title="Transactions",
    icon=":material/receipt_long:",
    order=50,
    sources=("transactions",),
)

AMOUNT_PER_MONTH = "Amount per month"
CASH_FLOW = {"Income": "income", "Spending": "spending", "Net": "net"}
CASH_FLOW_FIGURES = ("income", "spending", "net_income", "savings_rate")
RECURRING_FIGURES = ("recurring_cost", "recurring_income", "active_recurring_payments")
RECURRING_COLUMNS = {
    "monthly_amount": "Amount per month",
    "last_amount": "Last payment",
    "amount_change": st.column_config.NumberColumn("Change", format="%+.2f"),
    "next_expected_date": "Next expected",
    "last_date": "Last paid",
    "last_covered_date": "Account loaded through",
}


def render(view: View) -> None:
    """Draw the page."""
    warehouse = view.warehouse
    period = filters.choose_period(queries.get_bounds(warehouse))
    months = extend_to_months(period)
    with show_failures(view):
        _show_cash_flow(view, months)
    with show_failures(view):
        _show_spending(warehouse, months)
    with show_failures(view):
        _show_recurring(view)
    with show_failures(view):
        _show_search(warehouse, period)


def extend_to_months(period: Period) -> Period:
    """Extend a period to the first day of its first month and the last day of its last month."""
    length = calendar.monthrange(period.last.year, period.last.month)[1]
    return Period(period.first.replace(day=1), period.last.replace(day=length))


def _format_months(months: Period) -> str:
    first, last = format_month(months.first), format_month(months.last)
    return first if first == last else f"{first} to {last}"


def _show_cash_flow(view: View, months: Period) -> None:
    warehouse = view.warehouse
    st.subheader("Cash flow")
    require_table(warehouse, queries.CASH_FLOW)
    frame, shown = queries.get_cash_flow(warehouse, months), _format_months(months)
    require_rows(frame, "no income and no spending in these months; choose another period in the sidebar")
    complete = frame.filter("is_complete")
    with show_failures(view):
        _show_totals(warehouse, months, complete.height)
    note = _note_incomplete_months(frame)
    charts.show(draw_cash_flow(frame, months), f"Income, spending and net by month, {shown}", note)
    if complete["savings_rate"].count() > 1:
        note = "Net divided by income, complete months."
        charts.show(draw_savings_rate(complete, months), f"Savings rate by month, {shown}", note)
    columns = {"month": st.column_config.DateColumn("Month", format="MMM YYYY"), "is_complete": "Complete month"}
    show_table(frame.reverse(), "cash-flow-monthly", f"Cash flow by month, {shown}", columns, decimals=2)


def _show_totals(warehouse: Warehouse, months: Period, complete_months: int) -> None:
    figures = fetch_figures(warehouse, CASH_FLOW_FIGURES, months)
    income, spending, net, savings_rate = (figures[name] for name in CASH_FLOW_FIGURES)
    show_metrics(
        Metric("Income", income, show=format_money),
        Metric("Spending", spending, show=format_money),
        Metric("Net", net, show=format_money),
        Metric("Savings rate", savings_rate, show=format_share),
    )
    unit = "month" if complete_months == 1 else "months"
    st.caption(
        f"Over {complete_months} complete {unit}, without transfers between own accounts and excluded transactions."
    )


def _note_incomplete_months(frame: pl.DataFrame) -> str:
    months = [format_month(value) for value in frame.filter(~pl.col("is_complete"))["month"]]
    if not months:
        return ""
    are = "may be incomplete and is hatched" if len(months) == 1 else "may be incomplete and are hatched"
    return f"{' and '.join(months)} {are}: the exports do not cover every day of every account."


def draw_cash_flow(frame: pl.DataFrame, months: Period) -> go.Figure:
    """Draw income, spending and net side by side; months that may be incomplete are hatched.

    Args:
        frame: Rows of `queries.get_cash_flow`.
        months: The months of the axis.
    """
    figure = charts.draw_stacked_bars(_name_months(frame), "month", CASH_FLOW, "", AMOUNT_PER_MONTH, ",.2f")
    figure.update_traces(marker_pattern_shape=["" if is_complete else "/" for is_complete in frame["is_complete"]])
    figure.update_layout(barmode="group", bargap=0.25)
    return _set_month_axis(figure, months)


def draw_savings_rate(complete: pl.DataFrame, months: Period) -> go.Figure:
    """Draw the savings rate of complete months; the arguments are those of `draw_cash_flow`."""
    series = {"Savings rate": "savings_rate"}
    figure = charts.draw_lines(_name_months(complete), "month", series, "", "Net divided by income", ".1%")
    figure.update_traces(mode="lines+markers")
    figure.update_yaxes(tickformat=".0%")
    figure.update_layout(height=240, margin={"t": 10})
    return _set_month_axis(figure, months)


def _name_months(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.Series("month", [format_month(first) for first in frame["month"]], pl.String))


def _set_month_axis(figure: go.Figure, months: Period, labels: int = 14) -> go.Figure:
    """Give every month its place, even without a row, and label at most `labels` of them."""
    names = [format_month(first) for first in pl.date_range(months.first, months.last, "1mo", eager=True)]
    return figure.update_xaxes(
        type="category",
        categoryarray=names,
        range=[-0.5, len(names) - 0.5],
        tickvals=names[:: math.ceil(len(names) / labels)],
    )


def _show_spending(warehouse: Warehouse, months: Period) -> None:
    st.subheader("Spending by category")
    require_table(warehouse, queries.SPENDING)
    chosen, shown = _choose_category(queries.list_categories(warehouse)), _format_months(months)
    monthly = queries.get_monthly_spending(warehouse, months, chosen)
    require_rows(monthly, "no spending in these months and this category; choose others in the sidebar")
    st.caption(f"{shown}. Refunds are subtracted; transfers and excluded transactions are left out.")
    left, right = st.columns(2)
    title = f"Spending in {_format_line(chosen.parent)} by category" if chosen.parent else "Spending by parent category"
    name = _format_line(_label_category(chosen)) or "all categories"
    with left:
        charts.show(draw_bars(queries.get_bars(warehouse, months, chosen.parent), chosen.category), title)
    with right:
        series = {"Spending": "amount"}
        figure = charts.draw_stacked_bars(_name_months(monthly), "month", series, "", AMOUNT_PER_MONTH, ",.2f")
        figure.update_layout(margin={"t": 10})
        charts.show(_set_month_axis(figure, months, labels=6), f"Spending by month, {name}")
    frame = _add_shares(queries.get_category_spending(warehouse, months, chosen.parent))
    show_table(frame, "spending-by-category", f"{title}, {shown}", {"share": "Share of the amount"}, decimals=2)
    found = queries.get_spending_transactions(warehouse, months, chosen)
    _show_transactions(found, "spending", f"Transactions of {name}, {shown}")


def _choose_category(selections: list[Selection]) -> Selection:
    """Choose a parent category or one of its categories from one list: two lists could contradict each other."""
    by_label = {_label_category(selection): selection for selection in selections}
    options = {"": "All categories"} | {label: label for label in by_label}
    return by_label.get(filters.choose("category", "Category", options, ""), Selection())


def _label_category(selection: Selection) -> str:
    return " / ".join(filter(None, (selection.parent, selection.category)))


def _format_line(text: str) -> str:
    """Format a text from the data or the URL for a title, which is a single line."""
    return escape_markdown(" ".join(text.split()))


def draw_bars(bars: pl.DataFrame, highlighted: str) -> go.Figure:
    """Draw horizontal bars, the largest on top.

    Args:
        bars: Rows of `queries.get_bars`.
        highlighted: Name of the chosen bar; empty for all.
    """
    figure = charts.make_figure("Amount", "", max(340, 60 + 26 * bars.height), hovermode="closest", margin={"t": 10})
    figure.add_bar(
        x=bars["amount"].to_list(),
        y=[charts.escape_label(name) for name in bars["name"]],
        orientation="h",
        marker={"color": [BLUE if highlighted in ("", name) else GREY for name in bars["name"]]},
        hovertemplate="%{y}: %{x:,.2f}<extra></extra>",
    )
    return figure.update_yaxes(autorange="reversed", type="category")


def _add_shares(frame: pl.DataFrame) -> pl.DataFrame:
    total = frame["amount"].sum()
    share = pl.col("amount") / total if total > 0 else pl.lit(None, pl.Float64)
    return frame.with_columns(share.alias("share"))


def _show_transactions(found: Transactions, name: str, title: str) -> None:
    # exports state no currency
    columns = {"amount": "Amount, money out", "is_excluded": "Excluded by the owner"}
    show_table(found.frame, name, title, columns, decimals=2)
    if found.count > found.frame.height:
        st.caption(
            f"The latest {format_number(found.frame.height)} of {format_number(found.count)}; choose a shorter period"
            " or a category to see the others."
        )


def _show_recurring(view: View) -> None:
    warehouse = view.warehouse
    st.subheader("Recurring payments")
    require_table(warehouse, queries.RECURRING)
    frame = queries.get_recurring(warehouse)
    missing = "the exports name no recurring payment; define some in the app that exports them and run `data-stack run`"
    require_rows(frame, missing)
    with show_failures(view):
        _show_recurring_totals(warehouse)
    show_table(frame, "recurring-payments", "Recurring payments, all loaded days", RECURRING_COLUMNS, decimals=2)
    st.caption(
        "Change: compared with the previous payment. Ended: no payment for longer than the cadence allows, as of the"
        " last loaded day of the account. Irregular and single payments have no expected date."
    )


def _show_recurring_totals(warehouse: Warehouse) -> None:
    figures = fetch_figures(warehouse, RECURRING_FIGURES)
    spending, income, payments = (figures[name] for name in RECURRING_FIGURES)
    show_metrics(
        Metric("Recurring spending per month", spending, show=format_money),
        Metric("Recurring income per month", income, show=format_money),
        Metric("Active payments", payments),
    )
    st.caption("Last amount of each active payment, converted to a month by its cadence.")


def _show_search(warehouse: Warehouse, period: Period) -> None:
    st.subheader("Search")
    st.caption("Amounts are positive for money out and negative for money in.")
    text = filters.enter_text("search", "Search transactions", "Part of a name or a category")
    if not text:
        raise NothingToShowError("type a part of a name or of a category into the search field of the sidebar")
    found = queries.search_transactions(warehouse, period, text)
    require_rows(found.frame, f"no transaction from {period} contains this text; change it or the period")
    _show_transactions(found, "search", f"{format_number(found.count)} found with “{_format_line(text)}”, {period}")
