with source as (

    select * from {{ source('transactions', 'transactions') }}
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

-- a later export replaces the accounts and dates that it covers, also where it has no row any more
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
        source_file

    from current_rows

)

select * from renamed
