with transactions as (

    select * from {{ ref('stg_transactions__transactions') }}

),

coverage as (

    select * from {{ ref('stg_transactions__coverage') }}

),

exports as (

    select distinct
        source_file,
        export_order

    from coverage

),

ordered as (

    select
        transactions.*,
        exports.export_order

    from transactions
    left join exports on transactions.source_file = exports.source_file

),

-- a later export replaces the accounts and dates that it covers, even rows that it no longer has
current_rows as (

    select
        transaction_id,
        date,
        name,
        amount,
        type,
        status,
        category,
        parent_category,
        account,
        account_mask,
        is_excluded,
        recurring_name,
        source_file,
        export_order

    from ordered
    where not exists (
        select 1
        from coverage
        where
            coverage.account is not distinct from ordered.account
            and coverage.account_mask is not distinct from ordered.account_mask
            and ordered.date between coverage.covered_from and coverage.covered_to
            and (
                coverage.export_order > ordered.export_order
                or (coverage.export_order = ordered.export_order and coverage.source_file > ordered.source_file)
            )
    )

)

select * from current_rows
