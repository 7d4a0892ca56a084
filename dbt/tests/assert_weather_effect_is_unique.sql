-- grain: one row per condition and temperature band
select
    condition,
    temperature_band,
    count(*) as times
from {{ ref('mart_weather_effect') }}
group by condition, temperature_band
having count(*) > 1
