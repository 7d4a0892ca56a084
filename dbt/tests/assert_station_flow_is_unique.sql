-- grain: one row per station and day
select
    station_id,
    date_local,
    count(*) as times
from {{ ref('mart_station_flow_daily') }}
group by station_id, date_local
having count(*) > 1
