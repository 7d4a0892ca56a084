"""What the page on transactions asks. Spending is what `mart_spending_monthly` counts: `is_spending` of the facts."""

from dataclasses import dataclass

import polars as pl

from streamlit_app.data import NothingToShowError, Warehouse
from streamlit_app.filters import Period

TRANSACTIONS = "core.fct_transactions"
CASH_FLOW, SPENDING = "marts.mart_cash_flow_monthly", "marts.mart_spending_monthly"
RECURRING = "marts.mart_recurring_payments"
ROWS_MAX = 500
"""Transactions that a table shows; the page says how many more there are."""

_BOUNDS = "select min(date), max(date) from core.fct_transactions"
_CASH_FLOW = """
select
    month,
    cast(income as double) as income,
    cast(spending as double) as spending,
    cast(net as double) as net,
    savings_rate,
    is_complete
from marts.mart_cash_flow_monthly
where month between $first and $last
order by month
"""
_TOTALS = """
select
    count(*) as months,
    cast(sum(income) as double) as income,
    cast(sum(spending) as double) as spending,
    cast(sum(net) as double) as net,
    cast(case when sum(income) > 0 then sum(net) / sum(income) end as double) as savings_rate
from marts.mart_cash_flow_monthly
where is_complete and month between $first and $last
"""
_CATEGORIES = """
select distinct parent_category, category from marts.mart_spending_monthly order by parent_category, category
"""
_SPENDING = """
select
    parent_category,
    category,
    cast(sum(amount) as double) as amount,
    cast(sum(transactions) as bigint) as transactions
from marts.mart_spending_monthly
where month between $first and $last and ($parent = '' or parent_category = $parent)
group by parent_category, category
order by sum(amount) desc, parent_category, category
"""
_BARS = """
select
    case when $parent = '' then parent_category else category end as name,
    cast(sum(amount) as double) as amount
from marts.mart_spending_monthly
where month between $first and $last and ($parent = '' or parent_category = $parent)
group by name
order by sum(amount) desc, name
"""
_BY_MONTH = """
select month, cast(sum(amount) as double) as amount
from marts.mart_spending_monthly
where
    month between $first and $last
    and ($parent = '' or parent_category = $parent)
    and ($category = '' or category = $category)
group by month
order by month
"""
# the transactions that mart_spending_monthly is made of
_SPENT = """
select
    date,
    name,
    cast(amount as double) as amount,
    parent_category,
    category,
    account,
    status,
    count(*) over () as found
from core.fct_transactions
where
    is_spending
    and date between $first and $last
    and ($parent = '' or parent_category = $parent)
    and ($category = '' or category = $category)
order by date desc, transaction_id
limit $rows_max
"""
_RECURRING = """
select
    name,
    type,
    case is_active when true then 'active' when false then 'ended' else 'nothing expected' end as state,
    cadence,
    cast(monthly_amount as double) as monthly_amount,
    cast(last_amount as double) as last_amount,
    cast(amount_change as double) as amount_change,
    next_expected_date,
    last_date,
    category,
    payments,
    last_covered_date
from marts.mart_recurring_payments
order by is_active desc nulls last, type desc, mart_recurring_payments.monthly_amount desc nulls last, name
"""
_RECURRING_TOTALS = """
select
    cast(coalesce(sum(monthly_amount) filter (type = 'spending'), 0) as double) as spending,
    cast(coalesce(sum(monthly_amount) filter (type = 'income'), 0) as double) as income,
    cast(count(*) as bigint) as payments
from marts.mart_recurring_payments
where is_active
"""
# contains() knows no wildcards, so a % that was typed is a %
_SEARCH = """
select
    date,
    name,
    cast(amount as double) as amount,
    type,
    parent_category,
    category,
    account,
    status,
    is_excluded,
    count(*) over () as found
from core.fct_transactions
where
    date between $first and $last
    and (
        contains(lower(name), lower($words))
        or contains(lower(category), lower($words))
        or contains(lower(parent_category), lower($words))
    )
order by date desc, transaction_id
limit $rows_max
"""


@dataclass(frozen=True)
class Selection:
    """A parent category, or a category of it; empty words stand for all."""

    parent: str = ""
    category: str = ""


@dataclass(frozen=True)
class Totals:
    """Money of the whole months of a period; None without one.

    Attributes:
        months: How many they are.
        income: Money in.
        spending: Money out, refunds taken off.
        net: Income minus spending.
        savings_rate: Net by income, 0 to 1; None without income.
    """

    months: int
    income: float | None
    spending: float | None
    net: float | None
    savings_rate: float | None


@dataclass(frozen=True)
class RecurringTotals:
    """What the active recurring payments come to a month."""

    spending: float
    income: float
    payments: int


@dataclass(frozen=True)
class Found:
    """Transactions, the latest first.

    Attributes:
        frame: The first `ROWS_MAX` of them.
        count: How many there are.
    """

    frame: pl.DataFrame
    count: int


def bounds(warehouse: Warehouse) -> Period:
    """Days of the first and the last transaction.

    Raises:
        NothingToShowError: There is none.
    """
    first, last = warehouse.fetch(_BOUNDS).row(0)
    if first is None:
        raise NothingToShowError("no transaction is loaded; `data-stack run --sources transactions` loads exports")
    return Period(first, last)


def cash_flow(warehouse: Warehouse, months: Period) -> pl.DataFrame:
    """Money in and out, a row a month.

    Args:
        warehouse: The publication.
        months: Its first day is the first of a month.

    Returns:
        `month`, `income`, `spending`, `net`, `savings_rate` (0 to 1, null without income) and `is_complete`: whether
        the exports cover the whole month.
    """
    return warehouse.fetch(_CASH_FLOW, first=months.first, last=months.last)


def totals(warehouse: Warehouse, months: Period) -> Totals:
    """Money of the months that are whole; the arguments are those of `cash_flow`."""
    return Totals(**warehouse.fetch(_TOTALS, first=months.first, last=months.last).row(0, named=True))


def categories(warehouse: Warehouse) -> list[Selection]:
    """Every parent category, each followed by its categories; of all months, so that a choice outlives a period."""
    found: dict[Selection, None] = {}
    for parent, category in warehouse.fetch(_CATEGORIES).iter_rows():
        found |= {Selection(parent): None, Selection(parent, category): None}
    return list(found)


def spending(warehouse: Warehouse, months: Period, parent: str) -> pl.DataFrame:
    """Spending and number of transactions, a row a category; of all parent categories where `parent` is empty."""
    return warehouse.fetch(_SPENDING, first=months.first, last=months.last, parent=parent)


def bars(warehouse: Warehouse, months: Period, parent: str) -> pl.DataFrame:
    """Spending (`name`, `amount`) by parent category, or by category within `parent`; the largest first."""
    return warehouse.fetch(_BARS, first=months.first, last=months.last, parent=parent)


def by_month(warehouse: Warehouse, months: Period, chosen: Selection) -> pl.DataFrame:
    """Spending (`month`, `amount`) of a selection; a month without any has no row."""
    return warehouse.fetch(
        _BY_MONTH, first=months.first, last=months.last, parent=chosen.parent, category=chosen.category
    )


def spent(warehouse: Warehouse, months: Period, chosen: Selection) -> Found:
    """The transactions that the spending of a selection is made of, refunds (negative) included."""
    frame = warehouse.fetch(
        _SPENT,
        first=months.first,
        last=months.last,
        parent=chosen.parent,
        category=chosen.category,
        rows_max=ROWS_MAX,
    )
    return _found(frame)


def recurring(warehouse: Warehouse) -> pl.DataFrame:
    """A row a recurring payment, active ones first; amounts are positive in their direction."""
    return warehouse.fetch(_RECURRING)


def recurring_totals(warehouse: Warehouse) -> RecurringTotals:
    """What the active recurring payments come to a month."""
    return RecurringTotals(**warehouse.fetch(_RECURRING_TOTALS).row(0, named=True))


def search(warehouse: Warehouse, period: Period, words: str) -> Found:
    """Transactions of any type with these words in name, category or parent category.

    Args:
        warehouse: The publication.
        period: The days.
        words: Looked for as they stand, upper and lower case alike; there are no wildcards.
    """
    frame = warehouse.fetch(_SEARCH, first=period.first, last=period.last, words=words, rows_max=ROWS_MAX)
    return _found(frame)


def _found(frame: pl.DataFrame) -> Found:
    return Found(frame.drop("found"), int(frame["found"][0]) if frame.height else 0)
