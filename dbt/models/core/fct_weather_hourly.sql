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
        known.hour_utc,
        {{ utc_to_local('known.hour_utc') }} as hour_local,
        cast({{ utc_to_local('known.hour_utc') }} as date) as date_local,
        known.place_id,
        known.temperature_c,
        known.apparent_temperature_c,
        known.relative_humidity_pct,
        known.precipitation_mm,
        known.rain_mm,
        known.snowfall_cm,
        known.wind_speed_kmh,
        known.weather_code,
        coalesce(codes.condition, 'unknown') as condition

    from known
    left join {{ ref('weather_codes') }} as codes on known.weather_code = codes.weather_code

)

select * from final
