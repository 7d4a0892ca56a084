with transactions as (

    select * from {{ ref('fct_transactions') }}
    where is_spending

),

final as (

    select
        cast(date_trunc('month', date) as date) as month,
        parent_category,
        category,
        cast(sum(amount) as decimal(18, 2)) as amount,
        count(*) as transactions

    from transactions
    group by cast(date_trunc('month', date) as date), parent_category, category

)

select * from final
