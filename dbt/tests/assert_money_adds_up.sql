-- per month: net is the same in the facts and the cash flow, spending also in the categories
with facts as (

    select
        cast({{ dbt.date_trunc('month', 'date') }} as date) as month,
        -sum(amount) as net,
        coalesce(sum(case when is_spending then amount end), 0) as spending

    from {{ ref('fct_transactions') }}
    where is_spending or is_income
    group by cast({{ dbt.date_trunc('month', 'date') }} as date)

),

by_category as (

    select
        month,
        sum(amount) as spending

    from {{ ref('mart_spending_monthly') }}
    group by month

),

compared as (

    select
        coalesce(facts.month, cash_flow.month, by_category.month) as month,
        facts.net,
        cash_flow.net as net_in_cash_flow,
        facts.spending,
        cash_flow.spending as spending_in_cash_flow,
        coalesce(by_category.spending, 0) as spending_by_category

    from facts
    full join {{ ref('mart_cash_flow_monthly') }} as cash_flow on facts.month = cash_flow.month
    full join by_category on coalesce(facts.month, cash_flow.month) = by_category.month

)

select * from compared
where
    net is distinct from net_in_cash_flow
    or spending is distinct from spending_in_cash_flow
    or spending is distinct from spending_by_category
