with exports as (

    select * from {{ ref('stg_transactions__coverage') }}

),

-- a day that several exports cover counts once
days as (

    select distinct
        account,
        account_mask,
        cast(unnest(generate_series(covered_from, covered_to, interval 1 day)) as date) as date

    from exports

),

covered as (

    select
        account,
        account_mask,
        cast(date_trunc('month', date) as date) as month,
        count(*) as covered_days,
        max(date) as last_covered_date

    from days
    group by account, account_mask, cast(date_trunc('month', date) as date)

),

-- an uncovered month between two covered ones is a gap in the exports, not a closed account
months as (

    select
        account,
        account_mask,
        cast(unnest(generate_series(min(month), max(month), interval 1 month)) as date) as month

    from covered
    group by account, account_mask

),

final as (

    select
        months.account,
        months.account_mask,
        months.month,
        coalesce(covered.covered_days, 0) as covered_days,
        covered.last_covered_date,
        coalesce(covered.covered_days = day(last_day(months.month)), false) as is_complete

    from months
    left join covered
        on
            months.account is not distinct from covered.account
            and months.account_mask is not distinct from covered.account_mask
            and months.month = covered.month

)

select * from final
