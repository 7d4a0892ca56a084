-- a covered day has all of its 23, 24 or 25 hours in the hourly mart and one row in the daily mart
with hourly as (

    select
        date_local,
        count(*) as hours

    from {{ ref('mart_demand_hourly') }}
    group by date_local

)

select
    coverage.date_local,
    dates.hours_in_day,
    hourly.hours,
    daily.is_complete
from {{ ref('fct_bike_coverage_daily') }} as coverage
left join {{ ref('dim_dates') }} as dates on coverage.date_local = dates.date_local
left join hourly on coverage.date_local = hourly.date_local
left join {{ ref('mart_demand_daily') }} as daily on coverage.date_local = daily.date_local
where hourly.hours is distinct from dates.hours_in_day or daily.is_complete is distinct from coverage.is_complete
