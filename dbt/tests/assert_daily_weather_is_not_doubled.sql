-- a day has as many weather hours as in the facts, so no join duplicated them
with hours as (

    select
        date_local,
        count(*) as weather_hours

    from {{ ref('fct_weather_hourly') }}
    group by date_local

)

select
    daily.date_local,
    daily.weather_hours,
    hours.weather_hours as hours_in_facts
from {{ ref('mart_demand_daily') }} as daily
left join hours on daily.date_local = hours.date_local
where daily.weather_hours != coalesce(hours.weather_hours, 0)
