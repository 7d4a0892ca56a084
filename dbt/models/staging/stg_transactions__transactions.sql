with source as (

    select
        *,
        batch as source_file

    from {{ source('transactions', 'transactions') }}
    where _dlt_load_id in {{ passed_loads('transactions') }}

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

-- a later export replaces the accounts and dates that it covers, even rows that it no longer has
current_rows as (

    select source.*
    from source
    left join exports on source.source_file = exports.source_file
    where not exists (
        select 1
        from coverage
        where
            coverage.account is not distinct from source.account
            and coverage.account_mask is not distinct from source.account_mask
            and source.date between coverage.covered_from and coverage.covered_to
            and (coverage.export_order, coverage.source_file) > (exports.export_order, exports.source_file)
    )

),

-- pending rows that a later export posts within two weeks under another date
posted_rows as (

    select
        pending_row.transaction_id,
        pending_row.source_file

    from current_rows as pending_row
    inner join current_rows as posted_row
        on
            pending_row.account is not distinct from posted_row.account
            and pending_row.account_mask is not distinct from posted_row.account_mask
            and pending_row.name = posted_row.name
            and pending_row.amount = posted_row.amount
    inner join exports as pending_export on pending_row.source_file = pending_export.source_file
    inner join exports as posted_export on posted_row.source_file = posted_export.source_file
    where
        pending_row.status = 'pending'
        and posted_row.status = 'posted'
        and posted_row.date between pending_row.date and pending_row.date + interval 14 day
        and posted_export.export_order > pending_export.export_order

),

renamed as (

    select
        transaction_id,
        date,
        name,
        amount,
        type,
        status,
        coalesce({{ text_or_null('category') }}, 'Uncategorised') as category,
        coalesce({{ text_or_null('parent_category') }}, 'Uncategorised') as parent_category,
        account,
        account_mask,
        coalesce(is_excluded, false) as is_excluded,
        {{ text_or_null('recurring') }} is not null as is_recurring,
        {{ text_or_null('recurring') }} as recurring_name,
        source_file

    from current_rows
    where
        not exists (
            select 1
            from posted_rows
            where
                posted_rows.transaction_id = current_rows.transaction_id
                and posted_rows.source_file = current_rows.source_file
        )

)

select * from renamed
