with transactions as (

    select * from {{ ref('fct_transactions') }}
    where is_spending

),

spending as (

    select
        cast({{ dbt.date_trunc('month', 'date') }} as date) as month,
        parent_category,
        category,
        cast(sum(amount) as decimal(18, 2)) as amount,
        count(*) as transactions

    from transactions
    group by cast({{ dbt.date_trunc('month', 'date') }} as date), parent_category, category

),

final as (

    select
        spending.month,
        spending.parent_category,
        spending.category,
        spending.amount,
        spending.transactions,
        cash_flow.is_complete

    from spending
    left join {{ ref('mart_cash_flow_monthly') }} as cash_flow on spending.month = cash_flow.month

)

select * from final
