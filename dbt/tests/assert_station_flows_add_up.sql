-- departures are the rides with a start station per day of start, arrivals the rides with an end station per day of end
with movements as (

    select
        date_local,
        1 as departures,
        0 as arrivals

    from {{ ref('fct_trips') }}
    where has_start_station

    union all

    select
        cast(ended_at_local as date) as date_local,
        0 as departures,
        1 as arrivals

    from {{ ref('fct_trips') }}
    where has_end_station

    union all

    select
        date_local,
        -departures as departures,
        -arrivals as arrivals

    from {{ ref('mart_station_flow_daily') }}

)

select
    date_local,
    sum(departures) as departures_missing,
    sum(arrivals) as arrivals_missing
from movements
group by date_local
having sum(departures) != 0 or sum(arrivals) != 0
