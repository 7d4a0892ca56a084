-- the facts, the hourly mart and the daily mart have the same rides per day
with facts as (

    select
        date_local,
        count(*) as trips,
        count(*) filter (where member_casual = 'member') as member_trips,
        count(*) filter (where member_casual = 'casual') as casual_trips

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
        (coalesce(facts.trips, 0), coalesce(facts.member_trips, 0), coalesce(facts.casual_trips, 0)) as in_facts,
        (coalesce(hourly.trips, 0), coalesce(hourly.member_trips, 0), coalesce(hourly.casual_trips, 0)) as in_hourly,
        (coalesce(daily.trips, 0), coalesce(daily.member_trips, 0), coalesce(daily.casual_trips, 0)) as in_daily

    from facts
    full join hourly on facts.date_local = hourly.date_local
    full join daily on coalesce(facts.date_local, hourly.date_local) = daily.date_local

)

select * from compared
where in_facts != in_hourly or in_facts != in_daily
