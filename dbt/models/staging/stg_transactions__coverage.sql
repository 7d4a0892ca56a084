with source as (

    select * from {{ source('transactions', 'coverage') }}
    where _dlt_load_id in {{ passed_loads('transactions') }}

),

renamed as (

    select
        batch as source_file,
        account,
        account_mask,
        covered_from,
        covered_to,
        export_order

    from source

)

select * from renamed
