with hours as (

    select * from {{ ref('stg_weather__hours') }}

),

-- the provider lists hours for which it has no values yet
known as (

    select *
    from hours
    where
        coalesce(
            temperature_c,
            apparent_temperature_c,
            relative_humidity_pct,
            precipitation_mm,
            rain_mm,
            snowfall_cm,
            wind_speed_kmh,
            weather_code
        ) is not null

),

final as (

    select
        hour_utc,
        {{ utc_to_local('hour_utc') }} as hour_local,
        cast({{ utc_to_local('hour_utc') }} as date) as date_local,
        place_id,
        temperature_c,
        apparent_temperature_c,
        relative_humidity_pct,
        precipitation_mm,
        rain_mm,
        snowfall_cm,
        wind_speed_kmh,
        weather_code,
        {{ weather_condition('weather_code') }} as condition

    from known

)

select * from final
