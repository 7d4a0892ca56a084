with reports as (

    select
        station_id,
        state,
        reported_at_utc,
        valid_until_utc,
        date_local as first_day,
        cast({{ utc_to_local(dbt.dateadd('second', -1, 'valid_until_utc')) }} as date) as last_day

    from {{ ref('fct_station_status') }}

),

-- one row per report and day on which it holds
split as (

    select
        station_id,
        state,
        reported_at_utc,
        valid_until_utc,
        {{ each_day('first_day', 'last_day') }} as date_local

    from reports

),

bounded as (

    select
        *,
        {{ latest_utc('cast(date_local as timestamp)') }} as day_begins_utc,
        {{ latest_utc(dbt.dateadd('day', 1, 'cast(date_local as timestamp)')) }} as day_ends_utc

    from split

),

clipped as (

    select
        station_id,
        state,
        date_local,
        {{ dbt.datediff('day_begins_utc', 'day_ends_utc', 'minute') }} as minutes_in_day,
        case when reported_at_utc > day_begins_utc then reported_at_utc else day_begins_utc end as begins_utc,
        case when valid_until_utc < day_ends_utc then valid_until_utc else day_ends_utc end as ends_utc

    from bounded

),

measured as (

    select
        station_id,
        state,
        date_local,
        minutes_in_day,
        {{ dbt.datediff('begins_utc', 'ends_utc', 'second') }} as seconds

    from clipped

),

daily as (

    select
        station_id,
        date_local,
        max(minutes_in_day) as minutes_in_day,
        sum(seconds) as observed,
        sum(case when state = 'empty' then seconds else 0 end) as empty,
        sum(case when state = 'full' then seconds else 0 end) as full_of_bikes,
        sum(case when state = 'available' then seconds else 0 end) as available,
        sum(case when state = 'out of service' then seconds else 0 end) as out_of_service

    from measured
    group by station_id, date_local

),

final as (

    select
        station_id,
        date_local,
        cast(minutes_in_day as integer) as minutes_in_day,
        cast({{ quotient('observed', '60') }} as decimal(18, 4)) as observed_minutes,
        cast({{ quotient('empty', '60') }} as decimal(18, 4)) as empty_minutes,
        cast({{ quotient('full_of_bikes', '60') }} as decimal(18, 4)) as full_minutes,
        cast({{ quotient('available', '60') }} as decimal(18, 4)) as available_minutes,
        cast({{ quotient('out_of_service', '60') }} as decimal(18, 4)) as out_of_service_minutes,
        {{ rounded(quotient('empty', 'observed'), 4) }} as empty_share,
        {{ rounded(quotient('full_of_bikes', 'observed'), 4) }} as full_share

    from daily

)

select * from final
