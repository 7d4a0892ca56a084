"""Metrics of money against hand-written SQL; they are known by month, and they are personal."""

from datetime import date

import pytest
from metric_support import Fetch, Reference, ask, assert_equals_reference

from data_stack.errors import MetricError
from data_stack.metrics.door import Metrics
from data_stack.metrics.query import MetricFilter, MetricQuery

# 15 months, of which July 2024 and the last one are incomplete, and March 2024 has no income
_SPENDING = """
insert into marts.mart_spending_monthly by name
select
    cast(month as date) as month, parent as parent_category, parent || ' ' || part as category,
    cast((number * 173 + part * 57) % 900 + 0.25 as decimal(18, 2)) - if(part = 3, 120, 0) as amount,
    1 + number * part % 9 as transactions,
    cast(month as date) not in (date '2024-07-01', date '2025-01-01') as is_complete
from (
    select month, row_number() over (order by month) as number, unnest(['Food', 'Home']) as parent
    from generate_series(date '2023-11-01', date '2025-01-01', interval 1 month) as series(month)
)
cross join (values (1), (2), (3)) as parts(part)
"""
_CASH_FLOW = """
insert into marts.mart_cash_flow_monthly by name
select
    month, if(month = '2024-03-01', 0, 2500 + month(month) * 10) as income, sum(amount) as spending,
    if(month = '2024-03-01', 0, 2500 + month(month) * 10) - sum(amount) as net, any_value(is_complete) as is_complete
from marts.mart_spending_monthly
group by month
"""
_RECURRING = """
insert into marts.mart_recurring_payments by name
select
    'payment ' || number as name, case number % 5 when 0 then 'income' else 'spending' end as type,
    case number % 2 when 0 then 'Food' else 'Home' end as parent_category, 'category ' || number % 3 as category,
    case number % 3 when 0 then 'monthly' else 'weekly' end as cadence, date '2024-01-01' + number * 9 as last_date,
    number * 12.34 as monthly_amount, number % 4 != 0 as is_active
from (select cast(unnest(range(1, 31)) as integer) as number)
"""
_EMPTIED = ("marts.mart_spending_monthly", "marts.mart_cash_flow_monthly", "marts.mart_recurring_payments")
ROWS = [*(f"delete from {table}" for table in _EMPTIED), _SPENDING, _CASH_FLOW, _RECURRING]

_FLOW = "marts.mart_cash_flow_monthly where is_complete"
_SPENT = "marts.mart_spending_monthly where is_complete"
_RECURRING_NOW = "marts.mart_recurring_payments"

REFERENCES = {
    "income": Reference("sum(income)", _FLOW, "month"),
    "net_income": Reference("sum(income) - sum(spending)", _FLOW, "month"),
    "savings_rate": Reference(
        "case when sum(income) > 0 then cast(sum(income) - sum(spending) as double) / sum(income) end", _FLOW, "month"
    ),
    "spending": Reference("sum(amount)", _SPENT, "month", dimension="category"),
    "spending_transactions": Reference("sum(transactions)", _SPENT, "month", dimension="parent_category"),
    "recurring_cost": Reference(
        "coalesce(sum(monthly_amount) filter (is_active and type = 'spending'), 0)",
        _RECURRING_NOW,
        dimension="category",
    ),
    "recurring_income": Reference(
        "coalesce(sum(monthly_amount) filter (is_active and type = 'income'), 0)", _RECURRING_NOW, dimension="category"
    ),
    "active_recurring_payments": Reference("count(*) filter (is_active)", _RECURRING_NOW, dimension="cadence"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


def test_spending_by_category_adds_up_to_the_spending_of_the_cash_flow(metrics: Metrics, fetch: Fetch) -> None:
    total = float(fetch(f"select sum(spending) from {_FLOW}")[0][0])
    assert sum(ask(metrics, "spending", None, ["category"]).values()) == pytest.approx(total)
    assert ask(metrics, "spending", None) == {(): total}


def test_a_period_that_cuts_a_month_is_refused(metrics: Metrics) -> None:
    for days, sentence in (
        (
            {"start": date(2024, 6, 15)},
            "a period begins on the first day of a month, such as 2024-06-01, and not on 2024",
        ),
        (
            {"end": date(2024, 7, 15)},
            "a period ends on the last day of a month, such as 2024-07-31, and not on 2024-07-15",
        ),
    ):
        for names in (("spending",), ("loads", "spending")):
            with pytest.raises(MetricError, match=f"^spending is known by month, so {sentence}"):
                metrics.query(MetricQuery(metrics=names, **days))


def test_a_period_of_whole_months_has_exactly_these(metrics: Metrics, fetch: Fetch) -> None:
    found = ask(metrics, "spending", None, start=date(2024, 2, 1), end=date(2024, 4, 30))
    expected = fetch(f"select sum(amount) from {_SPENT} and month between '2024-02-01' and '2024-04-30'")[0][0]
    assert found == {(): float(expected)}


def test_the_last_complete_month_is_the_end(metrics: Metrics) -> None:
    assert metrics.describe("income").data_until == date(2024, 12, 31)
    rows = metrics.query(MetricQuery(metrics=("income",), grain="month", order_by=("-date",), limit=1)).rows
    assert rows[0][0] == "2024-12-01"


def test_a_month_without_income_has_no_rate_and_is_a_row(metrics: Metrics) -> None:
    query = MetricQuery(metrics=("savings_rate",), grain="month", start=date(2024, 3, 1), end=date(2024, 3, 31))
    assert metrics.query(query).rows == (("2024-03-01", None),)


def test_the_present_state_has_no_period(metrics: Metrics) -> None:
    for given in ({"grain": "month"}, {"start": date(2024, 1, 1)}, {"end": date(2024, 1, 31)}):
        with pytest.raises(MetricError, match="^recurring_cost is about the present state and has no days"):
            metrics.query(MetricQuery.model_validate({"metrics": ["recurring_cost"], **given}))


def test_the_present_state_is_asked_together_with_what_has_days(metrics: Metrics) -> None:
    (row,) = metrics.query(MetricQuery(metrics=("spending", "recurring_cost"))).rows
    assert row == (ask(metrics, "spending", None)[()], ask(metrics, "recurring_cost", None)[()])


def test_metrics_and_columns_of_money_are_personal(metrics: Metrics) -> None:
    assert {name for name in REFERENCES if metrics.describe(name).is_personal} == set(REFERENCES)
    result = metrics.query(MetricQuery(metrics=("spending",), group_by=("category",), limit=1))
    assert [column.is_personal for column in result.columns] == [True, True]


def test_names_of_payees_are_no_dimension(metrics: Metrics) -> None:
    for name in ("recurring_cost", "spending"):
        for query in (
            MetricQuery(metrics=(name,), group_by=("name",)),
            MetricQuery(metrics=(name,), where=(MetricFilter(dimension="name", values=("Rent",)),)),
        ):
            with pytest.raises(MetricError, match=f"^{name} has no dimension 'name'"):
                metrics.query(query)
