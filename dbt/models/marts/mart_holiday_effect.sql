with days as (

    select
        demand.date_local,
        demand.weekday,
        demand.trips,
        calendar.is_holiday,
        calendar.holiday

    from {{ ref('mart_demand_daily') }} as demand
    inner join {{ ref('calendar_of_holidays') }} as calendar on demand.date_local = calendar.date_local
    where demand.is_complete

),

-- a holiday near another one would make the days of comparison look too quiet
compared as (

    select
        holidays.date_local,
        holidays.holiday,
        holidays.weekday,
        holidays.trips,
        count(ordinary.date_local) as comparison_days,
        sum(ordinary.trips) as comparison_sum

    from days as holidays
    left join days as ordinary
        on
            holidays.weekday = ordinary.weekday
            and abs({{ dbt.datediff('holidays.date_local', 'ordinary.date_local', 'day') }}) <= 28
            and not ordinary.is_holiday
    where holidays.is_holiday
    group by holidays.date_local, holidays.holiday, holidays.weekday, holidays.trips

),

final as (

    select
        date_local,
        holiday,
        weekday,
        trips,
        {{ rounded(quotient('comparison_sum', 'nullif(comparison_days, 0)'), 4) }} as comparison_trips,
        comparison_days,
        {{ rounded(quotient('trips * comparison_days - comparison_sum', 'nullif(comparison_days, 0)'), 4) }}
            as difference,
        {{ rounded(quotient('trips * comparison_days - comparison_sum', 'nullif(comparison_sum, 0)'), 4) }}
            as difference_share

    from compared

)

select * from final
