{{ config(materialized='view', schema='intermediate') }}

select date_local from {{ ref('fct_trips') }}
union all
select cast(ended_at_local as date) as date_local from {{ ref('fct_trips') }}
union all
select date_local from {{ ref('fct_bike_coverage_daily') }}
