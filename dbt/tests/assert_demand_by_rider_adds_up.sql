-- rides by kind of rider and bike add up to the rides of the day, in total and per rider, with the same is_complete
with by_rider as (

    select
        date_local,
        sum(trips) as trips,
        coalesce(sum(trips) filter (where member_casual = 'member'), 0) as member_trips,
        coalesce(sum(trips) filter (where member_casual = 'casual'), 0) as casual_trips,
        bool_and(is_complete) as is_complete,
        bool_or(is_complete) as is_any_complete

    from {{ ref('mart_demand_by_rider_daily') }}
    group by date_local

),

compared as (

    select
        coalesce(daily.date_local, by_rider.date_local) as date_local,
        (daily.trips, daily.member_trips, daily.casual_trips) as in_daily,
        (
            coalesce(by_rider.trips, 0),
            coalesce(by_rider.member_trips, 0),
            coalesce(by_rider.casual_trips, 0)
        ) as in_kinds,
        daily.is_complete,
        coalesce(by_rider.is_complete, daily.is_complete) as is_every_kind_complete,
        coalesce(by_rider.is_any_complete, daily.is_complete) as is_any_kind_complete

    from {{ ref('mart_demand_daily') }} as daily
    full join by_rider on daily.date_local = by_rider.date_local

)

select * from compared
where
    in_daily is distinct from in_kinds
    or is_complete is distinct from is_every_kind_complete
    or is_complete is distinct from is_any_kind_complete
