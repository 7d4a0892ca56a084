with source as (

    select * from {{ source('weather', 'hours') }}
    where _dlt_load_id in {{ passed_loads('weather') }}

),

renamed as (

    select
        place_id,
        hour_utc,
        temperature_2m as temperature_c,
        apparent_temperature as apparent_temperature_c,
        relative_humidity_2m as relative_humidity_pct,
        precipitation as precipitation_mm,
        rain as rain_mm,
        snowfall as snowfall_cm,
        wind_speed_10m as wind_speed_kmh,
        weather_code

    from source

)

select * from renamed
