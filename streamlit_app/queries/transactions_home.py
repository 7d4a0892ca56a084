"""Queries of the card of transactions on the start page."""

from dataclasses import dataclass
from datetime import date

from streamlit_app.data import Warehouse

_MONTHS = """
select
    month,
    cast(income as double) as income,
    cast(spending as double) as spending,
    cast(net as double) as net
from marts.mart_cash_flow_monthly
where is_complete
order by month desc
limit 2
"""


@dataclass(frozen=True)
class Month:
    """Money of a month."""

    month: date
    income: float
    spending: float
    net: float


def get_last_months(warehouse: Warehouse) -> tuple[Month | None, Month | None]:
    """Get the last complete month and the calendar month before it; None where it is not complete."""
    months = [Month(**row) for row in warehouse.fetch(_MONTHS).iter_rows(named=True)]
    last, before = (*months, None, None)[:2]
    if last and before and (last.month.year - before.month.year) * 12 + last.month.month - before.month.month != 1:
        before = None
    return last, before
