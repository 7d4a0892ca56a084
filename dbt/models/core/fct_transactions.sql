with transactions as (

    select * from {{ ref('stg_transactions__transactions') }}

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
        is_recurring,
        recurring_name

    from transactions

)

select * from final
