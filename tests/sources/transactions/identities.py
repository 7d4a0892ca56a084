"""Corruptions of the golden build that the dbt tests of this source must find, by test."""

IDENTITIES = {
    "assert_recurring_payments_add_up": [
        "delete from marts.mart_recurring_payments where name = 'Rent'",
        "update marts.mart_recurring_payments set transactions = transactions + 1",
        "update marts.mart_recurring_payments set total_amount = total_amount + 0.01 where name = 'Streaming'",
    ],
    "assert_money_adds_up": [
        "update marts.mart_spending_monthly set amount = amount + 0.01 where category = 'Rent'",
        "update marts.mart_cash_flow_monthly set net = net + 0.01",
        "delete from marts.mart_cash_flow_monthly where month = '2024-02-01'",
    ],
}
