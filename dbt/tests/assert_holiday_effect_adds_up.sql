-- every nationwide holiday of a complete day is there once, with its trips, which are the mean and the difference
with expected as (

    select
        demand.date_local,
        demand.trips

    from {{ ref('mart_demand_daily') }} as demand
    inner join {{ ref('dim_dates') }} as dates on demand.date_local = dates.date_local
    where demand.is_complete and dates.is_holiday

),

effect as (

    select * from {{ ref('mart_holiday_effect') }}

)

select
    coalesce(expected.date_local, effect.date_local) as date_local,
    expected.trips,
    effect.trips as trips_in_effect,
    effect.comparison_trips,
    effect.difference
from expected
full join effect on expected.date_local = effect.date_local
where
    expected.trips is distinct from effect.trips
    or (effect.comparison_days > 0) is distinct from (effect.comparison_trips is not null)
    or abs(effect.trips - effect.comparison_trips - effect.difference) > 0.001
