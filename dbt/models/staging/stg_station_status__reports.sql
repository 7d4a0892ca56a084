with source as (

    select * from {{ source('station_status', 'reports') }}
    where _dlt_load_id in {{ passed_loads('station_status') }}

),

renamed as (

    select
        station_id,
        last_reported_utc as reported_at_utc,
        num_bikes_available as bikes,
        num_ebikes_available as ebikes,
        num_docks_available as docks,
        is_renting,
        is_returning

    from source

)

select * from renamed
