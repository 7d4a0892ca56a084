with trips as (

    select
        date_local,
        coalesce(member_casual, 'unknown') as member_casual,
        coalesce(rideable_type, 'unknown') as rideable_type,
        count(*) as trips

    from {{ ref('fct_trips') }}
    group by date_local, coalesce(member_casual, 'unknown'), coalesce(rideable_type, 'unknown')

),

final as (

    select
        trips.date_local,
        trips.member_casual,
        trips.rideable_type,
        trips.trips,
        coalesce(coverage.is_complete, false) as is_complete

    from trips
    left join {{ ref('fct_bike_coverage_daily') }} as coverage on trips.date_local = coverage.date_local

)

select * from final
