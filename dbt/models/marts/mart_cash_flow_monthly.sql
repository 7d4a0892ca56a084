with transactions as (

    select * from {{ ref('fct_transactions') }}
    where is_spending or is_income

),

months as (

    -- money in is negative in the facts
    select
        cast({{ dbt.date_trunc('month', 'date') }} as date) as month,
        cast(coalesce(-sum(case when is_income then amount end), 0) as decimal(18, 2)) as income,
        cast(coalesce(sum(case when is_spending then amount end), 0) as decimal(18, 2)) as spending

    from transactions
    group by cast({{ dbt.date_trunc('month', 'date') }} as date)

),

coverage as (

    select
        month,
        not {{ dbt.bool_or('not is_complete') }} as is_complete

    from {{ ref('fct_transaction_coverage_monthly') }}
    group by month

),

final as (

    select
        months.month,
        months.income,
        months.spending,
        cast(months.income - months.spending as decimal(18, 2)) as net,
        case
            when months.income > 0
                then {{ rounded(quotient('months.income - months.spending', 'months.income'), 4) }}
        end as savings_rate,
        coalesce(coverage.is_complete, false) as is_complete

    from months
    left join coverage on months.month = coverage.month

)

select * from final
