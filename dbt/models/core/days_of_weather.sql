{{ config(materialized='view', schema='intermediate') }}

select date_local from {{ ref('fct_weather_hourly') }}
