-- The tables of the rides in one year of New York, from raw.trips: the values of the platform's models of these names,
-- by hand. Variables: months (loaded), spring and autumn (local times at which the clocks change), weather and
-- weather_codes (files).
create schema core;
create schema marts;

-- New York is four hours behind UTC in summer and five in winter; a time that occurs twice counts as winter here
create macro to_utc(local) as
local + if(local >= getvariable('spring') + interval 1 hour and local < getvariable('autumn') - interval 1 hour,
    interval 4 hour, interval 5 hour);
create macro to_local(utc) as
utc - if(utc >= getvariable('spring') + interval 5 hour and utc < getvariable('autumn') + interval 4 hour,
    interval 4 hour, interval 5 hour);
create macro occurs_twice(local) as
local >= getvariable('autumn') - interval 1 hour and local < getvariable('autumn');
create macro is_in_gap(local) as
local >= getvariable('spring') and local < getvariable('spring') + interval 1 hour;

create table core.fct_trips as
with latest as (
    select *, to_utc(started_at) as start_utc, to_utc(ended_at) as end_utc from raw.trips
),

starts as (
    select
        * replace (
            if(
                occurs_twice(started_at) or (is_in_gap(started_at) and end_utc < start_utc),
                start_utc - interval 1 hour,
                start_utc
            ) as start_utc
        )
    from latest
),

ends as (
    select
        * replace (
            if(
                occurs_twice(ended_at) and not (end_utc >= start_utc and end_utc - interval 1 hour < start_utc),
                end_utc - interval 1 hour,
                end_utc
            ) as end_utc
        )
    from starts
),

durations as (
    select *, cast((epoch_ms(end_utc) - epoch_ms(start_utc)) * 0.001 as decimal(14, 3)) as duration_seconds from ends
)

select
    ride_id,
    started_at as started_at_local,
    start_utc as started_at_utc,
    ended_at as ended_at_local,
    end_utc as ended_at_utc,
    duration_seconds,
    rideable_type,
    member_casual,
    start_station_id,
    end_station_id,
    cast(started_at as date) as date_local,
    date_trunc('hour', start_utc) as hour_utc,
    duration_seconds < 0 as is_end_before_start,
    duration_seconds > 86400 as is_longer_than_day,
    duration_seconds >= 0 and duration_seconds < 60 as is_shorter_than_minute,
    occurs_twice(started_at) or occurs_twice(ended_at) or is_in_gap(started_at) or is_in_gap(ended_at)
        as is_in_clock_change,
    start_station_id is not null as has_start_station,
    end_station_id is not null as has_end_station,
    source_file
from durations;

create table core.dim_stations as
with visits as (
    select
        start_station_id as station_id,
        start_station_name as station_name,
        start_lat as latitude,
        start_lng as longitude,
        started_at as seen_at
    from raw.trips
    where start_station_id is not null
    union all
    select end_station_id, end_station_name, end_lat, end_lng, ended_at
    from raw.trips
    where end_station_id is not null
)

select
    station_id,
    -- the latest name; of two at the same time the one that sorts last
    max_by(station_name, (seen_at, station_name)) filter (where station_name is not null) as station_name,
    quantile_disc(nullif(latitude, 0), 0.5) as latitude,
    quantile_disc(nullif(longitude, 0), 0.5) as longitude
from visits
group by station_id;

-- the files have the rides that ended in their month, so the last day of a month is complete with the next one
create table core.fct_bike_coverage_daily as
with months as (
    select unnest(getvariable('months')) as month
)

select
    cast(unnest(generate_series(month, last_day(month), interval 1 day)) as date) as date_local,
    month,
    list_contains(getvariable('months'), cast(month + interval 1 month as date)) or date_local < last_day(month)
        as is_complete,
    true as is_complete_for_arrivals
from months;

create temp table weather as
with answer as (
    select hourly from read_json(getvariable('weather'))
),

hours as (
    select
        cast(unnest(hourly.time) as timestamp) as hour_utc,
        cast(unnest(hourly.temperature_2m) as double) as temperature_c,
        cast(unnest(hourly.apparent_temperature) as double) as apparent_temperature_c,
        cast(unnest(hourly.relative_humidity_2m) as double) as relative_humidity_pct,
        cast(unnest(hourly.precipitation) as double) as precipitation_mm,
        cast(unnest(hourly.snowfall) as double) as snowfall_cm,
        cast(unnest(hourly.wind_speed_10m) as double) as wind_speed_kmh,
        cast(unnest(hourly.weather_code) as bigint) as weather_code
    from answer
)

select hours.*, coalesce(codes.condition, 'unknown') as condition
from hours
left join read_csv(getvariable('weather_codes')) as codes on hours.weather_code = codes.weather_code
where
    -- the platform asks for complete UTC days
    hour_utc >= list_min(getvariable('months'))
    and hour_utc < list_max(getvariable('months')) + interval 1 month + interval 1 day;

create table marts.mart_demand_daily as
with trips as (
    select
        date_local,
        count(*) as trips,
        count(*) filter (where member_casual = 'member') as member_trips,
        count(*) filter (where member_casual = 'casual') as casual_trips,
        sum(duration_seconds) filter (where not is_end_before_start)
        / (60 * count(*) filter (where not is_end_before_start)) as minutes
    from core.fct_trips
    group by date_local
),

daily_weather as (
    select
        cast(to_local(hour_utc) as date) as date_local,
        count(*) as weather_hours,
        count(temperature_c) as temperature_hours,
        sum(cast(temperature_c as decimal(12, 4))) / count(temperature_c) as temperature_c,
        count(precipitation_mm) as precipitation_hours,
        sum(cast(precipitation_mm as decimal(12, 4))) as precipitation_mm
    from weather
    group by all
),

days as (
    select
        coalesce(coverage.date_local, trips.date_local) as date_local,
        trips.* exclude (date_local),
        coalesce(is_complete, false) as is_complete,
        date_diff('hour', to_utc(cast(coalesce(coverage.date_local, trips.date_local) as timestamp)),
            to_utc(coalesce(coverage.date_local, trips.date_local) + interval 1 day)) as hours_in_day
    from core.fct_bike_coverage_daily as coverage
    full join trips on coverage.date_local = trips.date_local
)

select
    days.date_local,
    cast(isodow(days.date_local) as integer) as weekday,
    isodow(days.date_local) >= 6 as is_weekend,
    coalesce(trips, 0) as trips,
    coalesce(member_trips, 0) as member_trips,
    coalesce(casual_trips, 0) as casual_trips,
    coalesce(member_trips, 0) + coalesce(casual_trips, 0) as known_rider_trips,
    round(cast(minutes as double), 4) as avg_duration_minutes,
    if(temperature_hours = hours_in_day, round(cast(temperature_c as double), 4), null) as temperature_c_mean,
    if(precipitation_hours = hours_in_day, cast(precipitation_mm as double), null) as precipitation_mm,
    coalesce(weather_hours, 0) as weather_hours,
    coalesce(temperature_hours = hours_in_day and precipitation_hours = hours_in_day, false) as is_weather_complete,
    is_complete
from days
left join daily_weather on days.date_local = daily_weather.date_local;

create table marts.mart_demand_hourly as
with covered as (
    select
        is_complete,
        unnest(generate_series(to_utc(cast(date_local as timestamp)),
            to_utc(date_local + interval 1 day) - interval 1 hour, interval 1 hour)) as hour_utc
    from core.fct_bike_coverage_daily
),

trips as (
    select
        hour_utc,
        count(*) as trips,
        count(*) filter (where member_casual = 'member') as member_trips,
        count(*) filter (where member_casual = 'casual') as casual_trips
    from core.fct_trips
    group by hour_utc
),

hours as (
    select
        coalesce(covered.hour_utc, trips.hour_utc) as hour_utc,
        to_local(coalesce(covered.hour_utc, trips.hour_utc)) as hour_local,
        trips.* exclude (hour_utc),
        coalesce(is_complete, false) as is_complete
    from covered
    full join trips on covered.hour_utc = trips.hour_utc
)

select
    hours.hour_utc,
    hour_local,
    cast(hour_local as date) as date_local,
    cast(extract(hour from hour_local) as integer) as hour_of_day,
    cast(isodow(hour_local) as integer) as weekday,
    coalesce(trips, 0) as trips,
    coalesce(member_trips, 0) as member_trips,
    coalesce(casual_trips, 0) as casual_trips,
    temperature_c,
    apparent_temperature_c,
    relative_humidity_pct,
    precipitation_mm,
    snowfall_cm,
    wind_speed_kmh,
    condition,
    case
        when precipitation_mm is null then null
        when precipitation_mm = 0 then 'dry'
        when snowfall_cm > 0 then 'snow'
        when precipitation_mm < 2.5 then 'light'
        when precipitation_mm < 7.6 then 'moderate'
        else 'heavy'
    end as precipitation_kind,
    is_complete
from hours
left join weather on hours.hour_utc = weather.hour_utc;

create table marts.mart_demand_by_rider_daily as
select
    trips.date_local,
    coalesce(member_casual, 'unknown') as member_casual,
    coalesce(rideable_type, 'unknown') as rideable_type,
    count(*) as trips,
    coalesce(any_value(is_complete), false) as is_complete
from core.fct_trips as trips
left join core.fct_bike_coverage_daily as coverage on trips.date_local = coverage.date_local
group by all;

create table marts.mart_station_flow_daily as
with moves as (
    select start_station_id as station_id, date_local, count(*) as departures, 0 as arrivals
    from core.fct_trips
    where start_station_id is not null
    group by all
    union all
    select end_station_id, cast(ended_at_local as date), 0, count(*)
    from core.fct_trips
    where end_station_id is not null
    group by all
),

flows as (
    select
        station_id,
        date_local,
        cast(sum(departures) as bigint) as departures,
        cast(sum(arrivals) as bigint) as arrivals
    from moves
    group by all
)

select
    flows.station_id,
    station_name,
    flows.date_local,
    departures,
    arrivals,
    arrivals - departures as net_flow,
    rank() over (partition by flows.date_local order by departures + arrivals desc) as rank,
    coalesce(is_complete and is_complete_for_arrivals, false) as is_complete
from flows
inner join core.dim_stations as stations on flows.station_id = stations.station_id
left join core.fct_bike_coverage_daily as coverage on flows.date_local = coverage.date_local;
