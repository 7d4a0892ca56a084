-- rides by kind of rider and bike are all rides of a day
with by_rider as (

    select
        date_local,
        sum(trips) as trips_by_rider

    from {{ ref('mart_demand_by_rider_daily') }}
    group by date_local

),

by_day as (

    select
        date_local,
        count(*) as trips

    from {{ ref('fct_trips') }}
    group by date_local

)

select
    coalesce(by_day.date_local, by_rider.date_local) as date_local,
    by_day.trips,
    by_rider.trips_by_rider

from by_day
full join by_rider on by_day.date_local = by_rider.date_local
where by_day.trips is distinct from by_rider.trips_by_rider
