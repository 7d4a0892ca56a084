with source as (

    select * from {{ source('bike', 'files') }}
    where _dlt_load_id in {{ passed_loads('bike') }}

),

renamed as (

    select
        batch as source_file,
        object_key,
        month,
        is_cut_by_end,
        loaded_at_utc,
        _dlt_load_id as load_id

    from source

)

select * from renamed
