-- the facts, the hourly mart and the daily mart have the same rides per day
with facts as (

    select
        date_local,
        count(*) as trips,
        count(case when member_casual = 'member' then 1 end) as member_trips,
        count(case when member_casual = 'casual' then 1 end) as casual_trips

    from {{ ref('fct_trips') }}
    group by date_local

),

hourly as (

    select
        date_local,
        sum(trips) as trips,
        sum(member_trips) as member_trips,
        sum(casual_trips) as casual_trips

    from {{ ref('mart_demand_hourly') }}
    group by date_local

),

daily as (

    select
        date_local,
        trips,
        member_trips,
        casual_trips

    from {{ ref('mart_demand_daily') }}

),

compared as (

    select
        coalesce(facts.date_local, hourly.date_local, daily.date_local) as date_local,
        coalesce(facts.trips, 0) as trips,
        coalesce(facts.member_trips, 0) as member_trips,
        coalesce(facts.casual_trips, 0) as casual_trips,
        coalesce(hourly.trips, 0) as hourly_trips,
        coalesce(hourly.member_trips, 0) as hourly_member_trips,
        coalesce(hourly.casual_trips, 0) as hourly_casual_trips,
        coalesce(daily.trips, 0) as daily_trips,
        coalesce(daily.member_trips, 0) as daily_member_trips,
        coalesce(daily.casual_trips, 0) as daily_casual_trips

    from facts
    full join hourly on facts.date_local = hourly.date_local
    full join daily on coalesce(facts.date_local, hourly.date_local) = daily.date_local

)

select * from compared
where
    trips != hourly_trips
    or trips != daily_trips
    or member_trips != hourly_member_trips
    or member_trips != daily_member_trips
    or casual_trips != hourly_casual_trips
    or casual_trips != daily_casual_trips
