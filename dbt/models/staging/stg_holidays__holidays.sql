with source as (

    select * from {{ source('holidays', 'holidays') }}
    where _dlt_load_id in {{ passed_loads('holidays') }}

),

renamed as (

    select
        holiday_id,
        year,
        date as date_local,
        name as holiday,
        is_global,
        counties,
        types

    from source

)

select * from renamed
