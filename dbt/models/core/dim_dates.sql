with days as (

    select {{ each_day('first_day', 'last_day') }} as date_local
    from {{ ref('day_bounds') }}

),

midnights as (

    select
        date_local,
        {{ latest_utc('cast(date_local as timestamp)') }} as first_hour_utc,
        {{ latest_utc(dbt.dateadd('day', 1, 'cast(date_local as timestamp)')) }} as next_day_utc

    from days

),

final as (

    select
        midnights.date_local,
        cast({{ dbt.date_trunc('month', 'midnights.date_local') }} as date) as month,
        cast(extract(year from midnights.date_local) as integer) as year,
        cast(extract(month from midnights.date_local) as integer) as month_of_year,
        cast(extract(day from midnights.date_local) as integer) as day_of_month,
        {{ iso_weekday('midnights.date_local') }} as weekday,
        {{ iso_weekday('midnights.date_local') }} >= 6 as is_weekend,
        holidays.is_holiday,
        holidays.holiday,
        midnights.first_hour_utc,
        cast({{ dbt.datediff('midnights.first_hour_utc', 'midnights.next_day_utc', 'hour') }} as integer)
            as hours_in_day

    from midnights
    left join {{ ref('day_holidays') }} as holidays on midnights.date_local = holidays.date_local

)

select * from final
