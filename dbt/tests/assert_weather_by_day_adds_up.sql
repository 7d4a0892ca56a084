-- every hour is known or missing, no day with hours is left out, and precipitation of complete days is that of hours
with hours as (

    select
        date_local,
        count(temperature_c + precipitation_mm + snowfall_cm) as known_hours,
        count(precipitation_mm) as precipitation_hours,
        sum(cast(precipitation_mm as decimal(12, 4))) as precipitation_mm

    from {{ ref('fct_weather_hourly') }}
    group by date_local

),

compared as (

    select
        coalesce(daily.date_local, hours.date_local) as date_local,
        daily.missing_hours,
        daily.precipitation_mm,
        coalesce(hours.known_hours, 0) as known_hours,
        coalesce(hours.precipitation_hours, 0) as precipitation_hours,
        cast(hours.precipitation_mm as double) as precipitation_of_hours

    from {{ ref('mart_weather_daily') }} as daily
    full outer join hours on daily.date_local = hours.date_local

)

select compared.*
from compared
inner join {{ ref('dim_dates') }} as dates on compared.date_local = dates.date_local
where
    compared.missing_hours is null
    or compared.missing_hours + compared.known_hours != dates.hours_in_day
    or (compared.precipitation_mm is null) != (compared.precipitation_hours < dates.hours_in_day)
    or compared.precipitation_mm != compared.precipitation_of_hours
