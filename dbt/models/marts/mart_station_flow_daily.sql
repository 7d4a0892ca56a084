with departures as (

    select
        start_station_id as station_id,
        date_local,
        count(*) as departures

    from {{ ref('fct_trips') }}
    where has_start_station
    group by start_station_id, date_local

),

arrivals as (

    select
        end_station_id as station_id,
        cast(ended_at_local as date) as date_local,
        count(*) as arrivals

    from {{ ref('fct_trips') }}
    where has_end_station
    group by end_station_id, cast(ended_at_local as date)

),

flows as (

    select
        coalesce(departures.station_id, arrivals.station_id) as station_id,
        coalesce(departures.date_local, arrivals.date_local) as date_local,
        coalesce(departures.departures, 0) as departures,
        coalesce(arrivals.arrivals, 0) as arrivals

    from departures
    full join arrivals
        on departures.station_id = arrivals.station_id and departures.date_local = arrivals.date_local

),

final as (

    select
        flows.station_id,
        stations.station_name,
        flows.date_local,
        flows.departures,
        flows.arrivals,
        flows.arrivals - flows.departures as net_flow,
        cast(
            rank() over (partition by flows.date_local order by flows.departures + flows.arrivals desc) as bigint
        ) as rank,
        coalesce(coverage.is_complete and coverage.is_complete_for_arrivals, false) as is_complete

    from flows
    inner join {{ ref('dim_stations') }} as stations on flows.station_id = stations.station_id
    left join {{ ref('fct_bike_coverage_daily') }} as coverage on flows.date_local = coverage.date_local

)

select * from final
