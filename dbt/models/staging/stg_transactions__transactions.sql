with source as (

    select * from {{ source('transactions', 'transactions') }}
    where _dlt_load_id in {{ passed_loads('transactions') }}

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
        {{ text_or_null('recurring') }} as recurring_name,
        batch as source_file

    from source

)

select * from renamed
