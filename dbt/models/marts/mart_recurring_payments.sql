with cadences as (

    select * from {{ ref('payment_cadences') }}

),

-- refunds, income that was taken back and amounts of 0 are not payments
transactions as (

    select
        recurring_name as name,
        case when is_income then 'income' else 'spending' end as type,
        date,
        abs(amount) as amount,
        category,
        parent_category,
        account,
        account_mask

    from {{ ref('fct_transactions') }}
    where
        recurring_name is not null
        and ((is_spending and direction = 'out') or (is_income and direction = 'in'))

),

accounts as (

    select
        account,
        account_mask,
        max(last_covered_date) as covered_to

    from {{ ref('fct_transaction_coverage_monthly') }}
    group by account, account_mask

),

-- all transactions of one day are one payment
days as (

    select
        transactions.name,
        transactions.type,
        transactions.date,
        sum(transactions.amount) as amount,
        count(*) as transactions,
        max(accounts.covered_to) as covered_to

    from transactions
    left join accounts
        on
            transactions.account is not distinct from accounts.account
            and transactions.account_mask is not distinct from accounts.account_mask
    group by transactions.name, transactions.type, transactions.date

),

ordered as (

    select
        *,
        lag(date) over (partition by name, type order by date) as date_before,
        lag(date, 2) over (partition by name, type order by date) as second_date_before,
        lag(amount) over (partition by name, type order by date) as amount_before,
        row_number() over (partition by name, type order by date desc) = 1 as is_last

    from days

),

payments as (

    select
        *,
        {{ dbt.datediff('date_before', 'date', 'day') }} as interval_days,
        {{ dbt.datediff('second_date_before', 'date', 'day') }} as two_intervals_days

    from ordered

),

recurring as (

    select
        name,
        type,
        count(*) as payments,
        cast(sum(transactions) as bigint) as transactions,
        min(date) as first_date,
        max(date) as last_date,
        count(interval_days) as intervals,
        {{ lower_median('interval_days') }} as interval_days,
        coalesce({{ lower_median('two_intervals_days') }} between 29 and 33, false) as is_twice_a_month,
        sum(amount) as total_amount,
        {{ lower_median('amount') }} as median_amount,
        max(case when is_last then amount end) as last_amount,
        max(case when is_last then amount_before end) as amount_before,
        max(case when is_last then covered_to end) as last_covered_date

    from payments
    group by name, type

),

-- more than half of the intervals must fit, so a payment cannot have two cadences
regular as (

    select
        recurring.name,
        recurring.type,
        cadences.cadence,
        cadences.longest_days,
        cadences.payments_per_year,
        cadences.step_days,
        cadences.step_months

    from recurring
    inner join payments on recurring.name = payments.name and recurring.type = payments.type
    inner join cadences
        on
            payments.interval_days between cadences.shortest_days and cadences.longest_days
            and (
                cadences.twice_a_month = 'ignored'
                or (cadences.twice_a_month = 'required') = recurring.is_twice_a_month
            )
    group by
        recurring.name,
        recurring.type,
        recurring.intervals,
        cadences.cadence,
        cadences.longest_days,
        cadences.payments_per_year,
        cadences.step_days,
        cadences.step_months
    having 2 * count(*) > recurring.intervals

),

-- a pending payment often has no category yet, so the latest known category counts
categories as (

    select
        name,
        type,
        category,
        parent_category,
        row_number() over (
            partition by name, type
            order by
                case when category = 'Uncategorised' then 1 else 0 end asc,
                date desc,
                category asc,
                parent_category asc
        ) as category_rank

    from transactions

),

final as (

    select
        recurring.name,
        recurring.type,
        categories.category,
        categories.parent_category,
        recurring.payments,
        recurring.transactions,
        recurring.first_date,
        recurring.last_date,
        cast(recurring.interval_days as integer) as interval_days,
        case when recurring.intervals > 0 then coalesce(regular.cadence, 'irregular') end as cadence,
        cast(recurring.total_amount as decimal(18, 2)) as total_amount,
        cast(recurring.median_amount as decimal(18, 2)) as median_amount,
        cast(recurring.last_amount as decimal(18, 2)) as last_amount,
        cast(recurring.last_amount - recurring.amount_before as decimal(18, 2)) as amount_change,
        -- rounded to eight places first, because a float slightly below half a cent would round down
        cast(
            round(
                cast({{ quotient('recurring.last_amount * regular.payments_per_year', '12') }} as decimal(38, 8)), 2
            ) as decimal(18, 2)
        ) as monthly_amount,
        cast(
            {{ dbt.dateadd('day', 'step_days', dbt.dateadd('month', 'step_months', 'recurring.last_date')) }}
            as date
        ) as next_expected_date,
        recurring.last_covered_date,
        {{ dbt.datediff('recurring.last_date', 'recurring.last_covered_date', 'day') }}
        <= regular.longest_days as is_active

    from recurring
    inner join categories
        on
            recurring.name = categories.name
            and recurring.type = categories.type
            and categories.category_rank = 1
    left join regular on recurring.name = regular.name and recurring.type = regular.type

)

select * from final
