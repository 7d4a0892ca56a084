with trips as (

    select trips.*
    from {{ ref('stg_bike__trips') }} as trips
    inner join {{ ref('fct_trips') }} as winners
        on trips.ride_id = winners.ride_id and trips.source_file = winners.source_file

),

visits as (

    select
        start_station_id as station_id,
        start_station_name as station_name,
        start_latitude as latitude,
        start_longitude as longitude,
        started_at_local as seen_at_local

    from trips
    where start_station_id is not null

    union all

    select
        end_station_id as station_id,
        end_station_name as station_name,
        end_latitude as latitude,
        end_longitude as longitude,
        ended_at_local as seen_at_local

    from trips
    where end_station_id is not null

),

names_seen as (

    select
        station_id,
        station_name,
        max(seen_at_local) as last_seen_at_local

    from visits
    where station_name is not null
    group by station_id, station_name

),

-- a renamed station has its most recent name
names as (

    select
        station_id,
        station_name,
        row_number() over (
            partition by station_id
            order by last_seen_at_local desc nulls last, station_name desc
        ) as name_number

    from names_seen

),

-- bikes report their own position, so single values scatter; 0 means that the position failed
positions as (

    select
        station_id,
        {{ lower_median('nullif(latitude, 0)') }} as latitude,
        {{ lower_median('nullif(longitude, 0)') }} as longitude

    from visits
    group by station_id

),

final as (

    select
        positions.station_id,
        names.station_name,
        positions.latitude,
        positions.longitude

    from positions
    left join names on positions.station_id = names.station_id and names.name_number = 1

)

select * from final
