-- One row per ride with a number from $first up to $behind, as the provider writes it: all values are functions of the
-- number. `hash` of one number is never that of another one, so an id occurs once.
with drawn as (

    select
        range as number,
        (hash(range + 1000000000000000 * 1) // 2048) / 9007199254740992.0 as u_day,
        (hash(range + 1000000000000000 * 2) // 2048) / 9007199254740992.0 as u_hour,
        (hash(range + 1000000000000000 * 3) // 2048) / 9007199254740992.0 as u_minute,
        (hash(range + 1000000000000000 * 4) // 2048) / 9007199254740992.0 as u_length,
        (hash(range + 1000000000000000 * 5) // 2048) / 9007199254740992.0 as u_start,
        (hash(range + 1000000000000000 * 6) // 2048) / 9007199254740992.0 as u_end,
        (hash(range + 1000000000000000 * 7) // 2048) / 9007199254740992.0 as u_bike,
        (hash(range + 1000000000000000 * 8) // 2048) / 9007199254740992.0 as u_rider,
        (hash(range + 1000000000000000 * 9) // 2048) / 9007199254740992.0 as u_kind,
        (hash(range + 1000000000000000 * 10) % 1000) / 1000000.0 as scatter
    from range($first, $behind)

),

-- few stations have most of the rides
rides as (

    select
        number,
        cast($month as timestamp)
        + to_days(cast(floor(u_day * day(last_day($month))) as integer))
        + to_hours(cast($hours[cast(floor(u_hour * len($hours)) as integer) + 1] as integer))
        + to_milliseconds(cast(floor(u_minute * 3600000) as bigint)) as ended_at,
        -- mostly minutes, and now and then a lost bike
        cast((25 - ln(1 - u_length) * 620 + if(u_kind < 0.0003, 90000, 0)) * 1000 as bigint) as milliseconds,
        cast(floor($stations * pow(u_start, 2.2)) as integer) as start_station,
        cast(floor($stations * pow(u_end, 2.2)) as integer) as end_station,
        u_bike < 0.65 as is_electric,
        u_rider < 0.81 as is_member,
        u_kind < 0.003 as is_without_end,
        scatter
    from drawn

),

stations as (

    select
        range as station,
        printf('%d.%02d', 3000 + range // 9 * 41, range % 9 + 1) as id,
        printf('%s %d St & %d Ave', if(range % 2 = 0, 'W', 'E'), range % 150 + 1, range // 150 + 1)
        || if(range % 40 = 0, ', North', '') as name,
        round(40.65 + (hash(range + 1000000000000000 * 11) % 100000) / 500000.0, 6) as latitude,
        round(-74.02 + (hash(range + 1000000000000000 * 12) % 100000) / 800000.0, 6) as longitude
    from range($stations)

)

select
    printf('%016X', hash(rides.number)) as ride_id,
    if(is_electric, 'electric_bike', 'classic_bike') as rideable_type,
    strftime(ended_at - to_milliseconds(milliseconds), '%Y-%m-%d %H:%M:%S.%g') as started_at,
    strftime(ended_at, '%Y-%m-%d %H:%M:%S.%g') as ended_at,
    starts.name as start_station_name,
    starts.id as start_station_id,
    if(is_without_end, null, ends.name) as end_station_name,
    if(is_without_end, null, ends.id) as end_station_id,
    -- electric bikes report their own position
    if(is_electric, starts.latitude + scatter / 7, starts.latitude) as start_lat,
    if(is_electric, starts.longitude - scatter / 3, starts.longitude) as start_lng,
    if(is_without_end, null, ends.latitude) as end_lat,
    if(is_without_end, null, ends.longitude) as end_lng,
    if(is_member, 'member', 'casual') as member_casual
from rides
inner join stations as starts on rides.start_station = starts.station
inner join stations as ends on rides.end_station = ends.station
order by rides.number
