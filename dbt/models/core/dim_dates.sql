with days_seen as (

    select date_local from {{ ref('fct_trips') }}
    union all
    select cast(ended_at_local as date) as date_local from {{ ref('fct_trips') }}
    union all
    select date_local from {{ ref('fct_bike_coverage_daily') }}
    union all
    select date_local from {{ ref('fct_weather_hourly') }}
    union all
    select date as date_local from {{ ref('fct_transactions') }}

),

bounds as (

    select
        min(date_local) as first_day,
        max(date_local) as last_day

    from days_seen

),

days as (

    select cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date) as date_local
    from bounds

),

midnights as (

    select
        date_local,
        {{ latest_utc('cast(date_local as timestamp)') }} as first_hour_utc,
        {{ latest_utc('cast(date_local as timestamp) + interval 1 day') }} as next_day_utc

    from days

),

final as (

    select
        date_local,
        cast(date_trunc('month', date_local) as date) as month,
        cast(year(date_local) as integer) as year,
        cast(month(date_local) as integer) as month_of_year,
        cast(day(date_local) as integer) as day_of_month,
        cast(isodow(date_local) as integer) as weekday,
        isodow(date_local) >= 6 as is_weekend,
        first_hour_utc,
        cast(date_diff('hour', first_hour_utc, next_day_utc) as integer) as hours_in_day

    from midnights

)

select * from final
