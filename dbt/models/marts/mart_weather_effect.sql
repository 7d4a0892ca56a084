with hours as (

    select * from {{ ref('mart_demand_weather_hourly') }}

),

final as (

    select
        condition,
        temperature_band,
        count(*) as hours,
        cast(sum(trips) as bigint) as trips,
        {{ rounded(quotient('sum(trips)', 'count(*)'), 4) }} as trips_per_hour,
        {{ rounded(quotient('sum(difference)', 'count(difference)'), 4) }} as difference_from_dry,
        count(difference) as hours_compared

    from hours
    group by condition, temperature_band

)

select * from final
