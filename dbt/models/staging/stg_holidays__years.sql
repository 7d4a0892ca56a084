with source as (

    select * from {{ source('holidays', 'years') }}
    where _dlt_load_id in {{ passed_loads('holidays') }}

),

renamed as (

    select
        year,
        entries

    from source

)

select * from renamed
