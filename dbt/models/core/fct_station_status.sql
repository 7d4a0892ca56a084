with reports as (

    select
        station_id,
        reported_at_utc,
        bikes,
        ebikes,
        docks,
        is_renting or is_returning as is_in_service,
        {{ dbt.dateadd('minute', var('station_status_valid_minutes', 60), 'reported_at_utc') }} as expires_at_utc,
        -- the next report: the one before in descending order
        lag(reported_at_utc) over (partition by station_id order by reported_at_utc desc) as next_reported_at_utc

    from {{ ref('stg_station_status__reports') }}

),

valid as (

    select
        *,
        case
            when next_reported_at_utc < expires_at_utc then next_reported_at_utc
            else expires_at_utc
        end as valid_until_utc

    from reports

),

final as (

    select
        station_id,
        reported_at_utc,
        {{ utc_to_local('reported_at_utc') }} as reported_at_local,
        cast({{ utc_to_local('reported_at_utc') }} as date) as date_local,
        valid_until_utc,
        {{ utc_to_local('valid_until_utc') }} as valid_until_local,
        bikes,
        ebikes,
        docks,
        is_in_service,
        case
            when not is_in_service then 'out of service'
            when bikes = 0 then 'empty'
            when docks = 0 then 'full'
            else 'available'
        end as state

    from valid

)

select * from final
