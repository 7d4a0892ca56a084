with recursive transactions as (

    select
        *,
        dense_rank() over (order by account, account_mask, name, amount) as payment_number

    from {{ ref('int_transactions__current') }}
    where name is not null

),

pending_rows as (

    select
        *,
        row_number() over (partition by payment_number order by date, transaction_id) as pending_number,
        {{ dbt.dateadd('day', 14, 'date') }} as last_posted_date,
        lag({{ dbt.dateadd('day', 14, 'date') }}) over (partition by payment_number order by date, transaction_id)
            as previous_last_posted_date

    from transactions
    where status = 'pending'

),

-- pending rows of two periods cannot have the same posting, so periods are matched side by side
periods as (

    select
        *,
        sum(case when date <= previous_last_posted_date then 0 else 1 end)
            over (partition by payment_number order by pending_number)
            as period_number

    from pending_rows

),

posted_rows as (

    select
        *,
        row_number() over (partition by payment_number order by date, transaction_id) as posted_number

    from transactions
    where status = 'posted'

),

-- what could match: the payment posts within two weeks, in a later export
pairs as (

    select
        periods.payment_number,
        periods.period_number,
        periods.pending_number,
        periods.transaction_id,
        posted_rows.transaction_id as posted_transaction_id,
        '<' || cast(posted_rows.posted_number as {{ dbt.type_string() }}) || '>' as posted_mark,
        row_number() over (
            partition by periods.payment_number, periods.period_number
            order by periods.pending_number, posted_rows.posted_number
        ) as pair_number

    from periods
    inner join posted_rows on periods.payment_number = posted_rows.payment_number
    where
        posted_rows.date between periods.date and periods.last_posted_date
        and posted_rows.export_order > periods.export_order

),

steps as (

    select
        *,
        pair_number + 1 as next_if_used,
        max(pair_number) over (partition by payment_number, pending_number) + 1 as next_if_matched

    from pairs

),

-- one pair after the other: it is a match unless an earlier pending row has used the posting; after a match the next
-- pending row follows
walk as (

    select
        payment_number,
        period_number,
        transaction_id,
        posted_transaction_id,
        true as is_match,
        posted_mark as used_marks,
        next_if_matched as next_pair

    from steps
    where pair_number = 1

    union all

    select
        steps.payment_number,
        steps.period_number,
        steps.transaction_id,
        steps.posted_transaction_id,
        walk.used_marks not like '%' || steps.posted_mark || '%' as is_match,
        case
            when walk.used_marks like '%' || steps.posted_mark || '%' then walk.used_marks
            else walk.used_marks || steps.posted_mark
        end as used_marks,
        case
            when walk.used_marks like '%' || steps.posted_mark || '%' then steps.next_if_used
            else steps.next_if_matched
        end as next_pair

    from walk
    inner join steps
        on
            walk.payment_number = steps.payment_number
            and walk.period_number = steps.period_number
            and walk.next_pair = steps.pair_number

),

final as (

    select
        transaction_id,
        posted_transaction_id

    from walk
    where is_match

)

select * from final
