with source as (

    select * from {{ source('bike', 'trips') }}
    where _dlt_load_id in {{ passed_loads('bike') }}

),

renamed as (

    select
        ride_id,
        {{ text_or_null('rideable_type') }} as rideable_type,
        {{ text_or_null('member_casual') }} as member_casual,
        started_at_local,
        ended_at_local,
        {{ text_or_null('start_station_id') }} as start_station_id,
        {{ text_or_null('start_station_name') }} as start_station_name,
        start_latitude,
        start_longitude,
        {{ text_or_null('end_station_id') }} as end_station_id,
        {{ text_or_null('end_station_name') }} as end_station_name,
        end_latitude,
        end_longitude,
        batch as source_file

    from source

)

select * from renamed
