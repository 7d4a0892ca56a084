-- the minutes of a station are those in which its reports hold, each in one state, and no day has more than it is long
with reports as (

    select
        station_id,
        {{ dbt.datediff('reported_at_utc', 'valid_until_utc', 'second') }} as seconds

    from {{ ref('fct_station_status') }}

),

held as (

    select
        station_id,
        sum(seconds) / 60.0 as minutes

    from reports
    group by station_id

),

daily as (

    select
        station_id,
        count(*) as days,
        sum(observed_minutes) as observed_minutes,
        -- fourth decimals are rounded
        sum(
            case
                when observed_minutes > minutes_in_day then 1
                when
                    abs(observed_minutes - empty_minutes - full_minutes - available_minutes - out_of_service_minutes)
                    > 0.0005 then 1
                else 0
            end
        ) as wrong_days

    from {{ ref('mart_station_availability_daily') }}
    group by station_id

)

select
    coalesce(held.station_id, daily.station_id) as station_id,
    held.minutes,
    daily.observed_minutes,
    daily.wrong_days
from held
full join daily on held.station_id = daily.station_id
where
    daily.wrong_days > 0
    or abs(coalesce(held.minutes, 0) - coalesce(daily.observed_minutes, 0)) > 0.0005 * coalesce(daily.days, 0)
