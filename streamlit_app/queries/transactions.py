"""Queries of the page on transactions. Spending is `is_spending` of the facts, as in `mart_spending_monthly`."""

from dataclasses import asdict, dataclass

import polars as pl

from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.queries import read_bounds

TRANSACTIONS = "core.fct_transactions"
CASH_FLOW, SPENDING = "marts.mart_cash_flow_monthly", "marts.mart_spending_monthly"
RECURRING = "marts.mart_recurring_payments"
ROWS_MAX = 500
"""How many transactions a table shows; the page reports how many more there are."""

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
_CATEGORIES = """
select distinct parent_category, category from marts.mart_spending_monthly order by parent_category, category
"""
_CATEGORY_SPENDING = """
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
_MONTHLY_SPENDING = """
select month, cast(sum(amount) as double) as amount
from marts.mart_spending_monthly
where
    month between $first and $last
    and ($parent = '' or parent_category = $parent)
    and ($category = '' or category = $category)
group by month
order by month
"""
# the transactions in mart_spending_monthly
_SPENDING_TRANSACTIONS = """
select
    date,
    name,
    cast(amount as double) as amount,
    parent_category,
    category,
    account,
    status,
    count(*) over () as total
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
# contains() has no wildcards, so a typed % is a %
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
    count(*) over () as total
from core.fct_transactions
where
    date between $first and $last
    and (
        contains(lower(name), lower($text))
        or contains(lower(category), lower($text))
        or contains(lower(parent_category), lower($text))
    )
order by date desc, transaction_id
limit $rows_max
"""


@dataclass(frozen=True)
class Selection:
    """A parent category, or one of its categories; empty strings stand for all."""

    parent: str = ""
    category: str = ""


@dataclass(frozen=True)
class Transactions:
    """Transactions, the latest first.

    Attributes:
        frame: The first `ROWS_MAX` of them.
        count: How many there are.
    """

    frame: pl.DataFrame
    count: int


def get_bounds(warehouse: Warehouse) -> Period:
    """Get the days of the first and the last transaction.

    Raises:
        NothingToShowError: There is none.
    """
    message = "no transaction is loaded; `data-stack run --sources transactions` loads exports"
    return read_bounds(warehouse.fetch(_BOUNDS), message)


def get_cash_flow(warehouse: Warehouse, months: Period) -> pl.DataFrame:
    """Get money in and out by month.

    Args:
        warehouse: The publication.
        months: Its first day is the first of a month.

    Returns:
        One row per month: `month`, `income`, `spending`, `net`, `savings_rate` (null without income), `is_complete`.
    """
    return warehouse.fetch(_CASH_FLOW, **asdict(months))


def list_categories(warehouse: Warehouse) -> list[Selection]:
    """List every parent category of all months, each followed by its categories."""
    selections: dict[Selection, None] = {}
    for parent, category in warehouse.fetch(_CATEGORIES).iter_rows():
        selections |= {Selection(parent): None, Selection(parent, category): None}
    return list(selections)


def get_category_spending(warehouse: Warehouse, months: Period, parent: str) -> pl.DataFrame:
    """Get spending and number of transactions by category; of all parent categories if `parent` is empty."""
    return warehouse.fetch(_CATEGORY_SPENDING, **asdict(months), parent=parent)


def get_bars(warehouse: Warehouse, months: Period, parent: str) -> pl.DataFrame:
    """Get spending (`name`, `amount`) by parent category, or by category within `parent`; the largest first."""
    return warehouse.fetch(_BARS, **asdict(months), parent=parent)


def get_monthly_spending(warehouse: Warehouse, months: Period, chosen: Selection) -> pl.DataFrame:
    """Get the spending (`month`, `amount`) of a selection; a month without spending has no row."""
    return warehouse.fetch(_MONTHLY_SPENDING, **asdict(months), **asdict(chosen))


def get_spending_transactions(warehouse: Warehouse, months: Period, chosen: Selection) -> Transactions:
    """Get the transactions in the spending of a selection, including refunds (negative)."""
    return _split_total(warehouse.fetch(_SPENDING_TRANSACTIONS, **asdict(months), **asdict(chosen), rows_max=ROWS_MAX))


def get_recurring(warehouse: Warehouse) -> pl.DataFrame:
    """Get the recurring payments, active ones first; amounts are positive in their direction."""
    return warehouse.fetch(_RECURRING)


def search_transactions(warehouse: Warehouse, period: Period, text: str) -> Transactions:
    """Search transactions of any type by name, category or parent category.

    Args:
        warehouse: The publication.
        period: The days.
        text: Searched for as it is, without regard to case; there are no wildcards.
    """
    return _split_total(warehouse.fetch(_SEARCH, **asdict(period), text=text, rows_max=ROWS_MAX))


def _split_total(frame: pl.DataFrame) -> Transactions:
    return Transactions(frame.drop("total"), frame["total"][0] if frame.height else 0)
