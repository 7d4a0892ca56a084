with exports as (

    select * from {{ ref('stg_transactions__coverage') }}

),

-- a day that several exports cover counts once
days as (

    select distinct
        account,
        account_mask,
        {{ each_day('covered_from', 'covered_to') }} as date

    from exports

),

covered as (

    select
        account,
        account_mask,
        cast({{ dbt.date_trunc('month', 'date') }} as date) as month,
        count(*) as covered_days,
        max(date) as last_covered_date

    from days
    group by account, account_mask, cast({{ dbt.date_trunc('month', 'date') }} as date)

),

-- an uncovered month between two covered ones is a gap in the exports, not a closed account
bounds as (

    select
        account,
        account_mask,
        min(month) as first_month,
        max(month) as last_month

    from covered
    group by account, account_mask

),

months as (

    select
        account,
        account_mask,
        {{ each_month('first_month', 'last_month') }} as month

    from bounds

),

final as (

    select
        months.account,
        months.account_mask,
        months.month,
        coalesce(covered.covered_days, 0) as covered_days,
        covered.last_covered_date,
        coalesce(
            covered.covered_days = extract(day from {{ dbt.last_day('months.month', 'month') }}), false
        ) as is_complete

    from months
    left join covered
        on
            months.account is not distinct from covered.account
            and months.account_mask is not distinct from covered.account_mask
            and months.month = covered.month

)

select * from final
