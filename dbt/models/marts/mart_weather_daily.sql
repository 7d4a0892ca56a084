-- decimals, because a sum of floats depends on the order of its rows
with hours as (

    select
        date_local,
        count(temperature_c) as temperature_hours,
        sum(cast(temperature_c as decimal(12, 4))) / count(temperature_c) as temperature_c_mean,
        min(temperature_c) as temperature_c_min,
        max(temperature_c) as temperature_c_max,
        count(precipitation_mm) as precipitation_hours,
        sum(cast(precipitation_mm as decimal(12, 4))) as precipitation_mm,
        count(snowfall_cm) as snowfall_hours,
        sum(cast(snowfall_cm as decimal(12, 4))) as snowfall_cm,
        count(temperature_c + precipitation_mm + snowfall_cm) as known_hours

    from {{ ref('fct_weather_hourly') }}
    group by date_local

),

bounds as (

    select
        min(date_local) as first_day,
        max(date_local) as last_day

    from hours

),

-- also days without any hour
days as (

    select
        dates.date_local,
        dates.hours_in_day

    from {{ ref('dim_dates') }} as dates
    inner join bounds on dates.date_local between bounds.first_day and bounds.last_day

),

final as (

    select
        days.date_local,
        case
            when hours.temperature_hours = days.hours_in_day
                then round(cast(hours.temperature_c_mean as double), 4)
        end as temperature_c_mean,
        case when hours.temperature_hours = days.hours_in_day then hours.temperature_c_min end as temperature_c_min,
        case when hours.temperature_hours = days.hours_in_day then hours.temperature_c_max end as temperature_c_max,
        case
            when hours.precipitation_hours = days.hours_in_day then cast(hours.precipitation_mm as double)
        end as precipitation_mm,
        case when hours.snowfall_hours = days.hours_in_day then cast(hours.snowfall_cm as double) end as snowfall_cm,
        cast(days.hours_in_day - coalesce(hours.known_hours, 0) as bigint) as missing_hours

    from days
    left join hours on days.date_local = hours.date_local

)

select * from final
