-- dry hours of the same hour and weekday are compared with their own mean, so their differences add up to 0, up to the
-- rounding of the mean to 8 places
select
    hour_of_day,
    weekday,
    sum(difference) as left_over
from {{ ref('mart_demand_weather_hourly') }}
where is_dry
group by hour_of_day, weekday
having coalesce(abs(sum(difference)) > 0.00000001 * count(*), true)
