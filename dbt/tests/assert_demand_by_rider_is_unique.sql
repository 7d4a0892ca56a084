-- grain: one row per day, kind of rider and kind of bike
select
    date_local,
    member_casual,
    rideable_type,
    count(*) as times
from {{ ref('mart_demand_by_rider_daily') }}
group by date_local, member_casual, rideable_type
having count(*) > 1
