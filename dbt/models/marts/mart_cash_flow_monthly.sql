with transactions as (

    select * from {{ ref('fct_transactions') }}
    where is_spending or is_income

),

months as (

    -- money in is negative in the facts
    select
        cast(date_trunc('month', date) as date) as month,
        cast(coalesce(-sum(amount) filter (where is_income), 0) as decimal(18, 2)) as income,
        cast(coalesce(sum(amount) filter (where is_spending), 0) as decimal(18, 2)) as spending

    from transactions
    group by cast(date_trunc('month', date) as date)

),

final as (

    select
        month,
        income,
        spending,
        cast(income - spending as decimal(18, 2)) as net,
        case when income > 0 then round(cast((income - spending) / income as double), 4) end as savings_rate

    from months

)

select * from final
