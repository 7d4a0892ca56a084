with hours as (

    select
        hour_utc,
        hour_local,
        date_local,
        hour_of_day,
        weekday,
        temperature_c,
        precipitation_mm,
        condition,
        precipitation_kind,
        {{ temperature_band('temperature_c') }} as temperature_band,
        precipitation_kind = 'dry' as is_dry,
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
        cast({{ rounded(quotient('sum(trips)', 'count(*)'), 8) }} as decimal(18, 8)) as expected_trips

    from hours
    where is_dry
    group by hour_of_day, weekday

),

final as (

    select
        hours.*,
        dry.expected_trips,
        cast(hours.trips - dry.expected_trips as decimal(18, 8)) as difference,
        case
            when dry.expected_trips > 0 then {{ rounded(quotient('hours.trips', 'dry.expected_trips'), 4) }}
        end as trips_to_expected

    from hours
    left join dry on hours.hour_of_day = dry.hour_of_day and hours.weekday = dry.weekday

)

select * from final
