with covered_hours as (

    select
        coverage.is_complete,
        {{ each_hour('dates.first_hour_utc', dbt.dateadd('hour', 'dates.hours_in_day - 1', 'dates.first_hour_utc')) }}
            as hour_utc

    from {{ ref('fct_bike_coverage_daily') }} as coverage
    inner join {{ ref('dim_dates') }} as dates on coverage.date_local = dates.date_local

),

trips as (

    select
        hour_utc,
        count(*) as trips,
        count(case when member_casual = 'member' then 1 end) as member_trips,
        count(case when member_casual = 'casual' then 1 end) as casual_trips

    from {{ ref('fct_trips') }}
    group by hour_utc

),

-- a full join: covered hours can have no trips, and trips can lie outside the coverage
hours as (

    select
        coalesce(covered_hours.hour_utc, trips.hour_utc) as hour_utc,
        coalesce(trips.trips, 0) as trips,
        coalesce(trips.member_trips, 0) as member_trips,
        coalesce(trips.casual_trips, 0) as casual_trips,
        coalesce(covered_hours.is_complete, false) as is_complete

    from covered_hours
    full join trips on covered_hours.hour_utc = trips.hour_utc

),

local_hours as (

    select
        *,
        {{ utc_to_local('hour_utc') }} as hour_local

    from hours

),

final as (

    select
        local_hours.hour_utc,
        local_hours.hour_local,
        cast(local_hours.hour_local as date) as date_local,
        cast(extract(hour from local_hours.hour_local) as integer) as hour_of_day,
        {{ iso_weekday('local_hours.hour_local') }} as weekday,
        local_hours.trips,
        local_hours.member_trips,
        local_hours.casual_trips,
        weather.temperature_c,
        weather.apparent_temperature_c,
        weather.relative_humidity_pct,
        weather.precipitation_mm,
        weather.snowfall_cm,
        weather.wind_speed_kmh,
        weather.condition,
        {{ precipitation_kind('weather.precipitation_mm', 'weather.snowfall_cm') }} as precipitation_kind,
        local_hours.is_complete

    from local_hours
    left join {{ ref('fct_weather_hourly') }} as weather on local_hours.hour_utc = weather.hour_utc

)

select * from final
