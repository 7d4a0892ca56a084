-- every transaction of a recurring payment is in the mart once, with its amount
with facts as (

    select
        recurring_name as name,
        case when is_income then 'income' else 'spending' end as type,
        count(*) as transactions,
        sum(abs(amount)) as amount

    from {{ ref('fct_transactions') }}
    where
        is_recurring
        and ((is_spending and amount > 0) or (is_income and amount < 0))
    group by recurring_name, is_income

)

select
    facts.transactions,
    facts.amount,
    recurring.transactions as transactions_in_mart,
    recurring.total_amount as amount_in_mart
from facts
full join {{ ref('mart_recurring_payments') }} as recurring
    on facts.name = recurring.name and facts.type = recurring.type
where
    facts.transactions is distinct from recurring.transactions
    or facts.amount is distinct from recurring.total_amount
