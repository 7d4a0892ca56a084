with trips as (

    select
        date_local,
        count(*) as trips,
        count(case when member_casual = 'member' then 1 end) as member_trips,
        count(case when member_casual = 'casual' then 1 end) as casual_trips,
        {{ quotient(
            'sum(case when not is_end_before_start then duration_seconds end)',
            '60 * count(case when not is_end_before_start then 1 end)'
        ) }} as avg_duration_minutes

    from {{ ref('fct_trips') }}
    group by date_local

),

-- decimals, because a sum of floats depends on the order of its rows
weather as (

    select
        date_local,
        count(*) as weather_hours,
        count(temperature_c) as temperature_hours,
        {{ quotient('sum(cast(temperature_c as decimal(12, 4)))', 'count(temperature_c)') }} as temperature_c_mean,
        count(precipitation_mm) as precipitation_hours,
        sum(cast(precipitation_mm as decimal(12, 4))) as precipitation_mm

    from {{ ref('fct_weather_hourly') }}
    group by date_local

),

days as (

    select
        coalesce(coverage.date_local, trips.date_local) as date_local,
        coalesce(trips.trips, 0) as trips,
        coalesce(trips.member_trips, 0) as member_trips,
        coalesce(trips.casual_trips, 0) as casual_trips,
        trips.avg_duration_minutes,
        coalesce(coverage.is_complete, false) as is_complete

    from {{ ref('fct_bike_coverage_daily') }} as coverage
    full join trips on coverage.date_local = trips.date_local

),

joined as (

    select
        days.*,
        dates.weekday,
        dates.is_weekend,
        coalesce(weather.weather_hours, 0) as weather_hours,
        coalesce(weather.temperature_hours = dates.hours_in_day, false) as is_temperature_complete,
        weather.temperature_c_mean,
        coalesce(weather.precipitation_hours = dates.hours_in_day, false) as is_precipitation_complete,
        weather.precipitation_mm

    from days
    inner join {{ ref('dim_dates') }} as dates on days.date_local = dates.date_local
    left join weather on days.date_local = weather.date_local

),

final as (

    select
        date_local,
        weekday,
        is_weekend,
        trips,
        member_trips,
        casual_trips,
        member_trips + casual_trips as known_rider_trips,
        {{ rounded('avg_duration_minutes', 4) }} as avg_duration_minutes,
        case when is_temperature_complete then {{ rounded('temperature_c_mean', 4) }} end as temperature_c_mean,
        case when is_precipitation_complete then cast(precipitation_mm as double) end as precipitation_mm,
        weather_hours,
        is_temperature_complete and is_precipitation_complete as is_weather_complete,
        is_complete

    from joined

)

select * from final
