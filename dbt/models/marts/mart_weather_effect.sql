with hours as (

    select
        hour_of_day,
        weekday,
        condition,
        {{ temperature_band('temperature_c') }} as temperature_band,
        precipitation_mm = 0 as is_dry,
        trips

    from {{ ref('mart_demand_hourly') }}
    where
        is_complete
        and temperature_c is not null
        and precipitation_mm is not null
        and condition != 'unknown'

),

dry as (

    select
        hour_of_day,
        weekday,
        cast(round(sum(trips) / count(*), 8) as decimal(18, 8)) as trips_per_hour

    from hours
    where is_dry
    group by hour_of_day, weekday

),

compared as (

    select
        hours.condition,
        hours.temperature_band,
        hours.trips,
        hours.trips - dry.trips_per_hour as difference

    from hours
    left join dry on hours.hour_of_day = dry.hour_of_day and hours.weekday = dry.weekday

),

final as (

    select
        condition,
        temperature_band,
        count(*) as hours,
        cast(sum(trips) as bigint) as trips,
        round(cast(sum(trips) / count(*) as double), 4) as trips_per_hour,
        round(cast(sum(difference) / count(difference) as double), 4) as difference_from_dry,
        count(difference) as hours_compared

    from compared
    group by condition, temperature_band

)

select * from final
