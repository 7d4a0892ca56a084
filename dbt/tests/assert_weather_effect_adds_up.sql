-- the groups contain every complete hour with known weather once, with its rides
with groups as (

    select
        coalesce(sum(hours), 0) as hours,
        coalesce(sum(trips), 0) as trips

    from {{ ref('mart_weather_effect') }}

),

hours as (

    select
        count(*) as hours,
        coalesce(sum(trips), 0) as trips

    from {{ ref('mart_demand_hourly') }}
    where
        is_complete
        and temperature_c is not null
        and precipitation_mm is not null
        and condition != 'unknown'

)

select
    groups.hours as hours_in_groups,
    hours.hours,
    groups.trips as trips_in_groups,
    hours.trips
from groups
cross join hours
where groups.hours != hours.hours or groups.trips != hours.trips
