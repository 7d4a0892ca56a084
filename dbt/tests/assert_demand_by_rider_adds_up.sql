-- rides by kind of rider and bike add up to the rides of the day, in total and per rider, with the same is_complete
with by_rider as (

    select
        date_local,
        sum(trips) as trips,
        coalesce(sum(case when member_casual = 'member' then trips end), 0) as member_trips,
        coalesce(sum(case when member_casual = 'casual' then trips end), 0) as casual_trips,
        not {{ dbt.bool_or('not is_complete') }} as is_complete,
        {{ dbt.bool_or('is_complete') }} as is_any_complete

    from {{ ref('mart_demand_by_rider_daily') }}
    group by date_local

),

compared as (

    select
        coalesce(daily.date_local, by_rider.date_local) as date_local,
        daily.trips,
        daily.member_trips,
        daily.casual_trips,
        coalesce(by_rider.trips, 0) as trips_by_rider,
        coalesce(by_rider.member_trips, 0) as member_trips_by_rider,
        coalesce(by_rider.casual_trips, 0) as casual_trips_by_rider,
        daily.is_complete,
        coalesce(by_rider.is_complete, daily.is_complete) as is_every_kind_complete,
        coalesce(by_rider.is_any_complete, daily.is_complete) as is_any_kind_complete

    from {{ ref('mart_demand_daily') }} as daily
    full join by_rider on daily.date_local = by_rider.date_local

)

select * from compared
where
    trips is distinct from trips_by_rider
    or member_trips is distinct from member_trips_by_rider
    or casual_trips is distinct from casual_trips_by_rider
    or is_complete is distinct from is_every_kind_complete
    or is_complete is distinct from is_any_kind_complete
