with transactions as (

    select * from {{ ref('int_transactions__current') }}

),

-- a pending row that posted is counted as its posting
counted as (

    select *
    from transactions
    where not exists (
        select 1
        from {{ ref('int_transactions__posted_pending') }} as posted_pending
        where posted_pending.transaction_id = transactions.transaction_id
    )

),

final as (

    select
        transaction_id,
        date,
        name,
        amount,
        case
            when amount > 0 then 'out'
            when amount < 0 then 'in'
            else 'none'
        end as direction,
        type,
        status,
        category,
        parent_category,
        account,
        account_mask,
        is_excluded,
        coalesce(type = 'regular' and not is_excluded, false) as is_spending,
        coalesce(type = 'income' and not is_excluded, false) as is_income,
        recurring_name is not null as is_recurring,
        recurring_name

    from counted

)

select * from final
