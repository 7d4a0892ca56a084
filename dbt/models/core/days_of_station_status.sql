{{ config(materialized='view', schema='intermediate') }}

select date_local from {{ ref('fct_station_status') }}
union all
-- a report before midnight holds until after it, and its day is one of the mart
select cast({{ utc_to_local(dbt.dateadd('second', -1, 'valid_until_utc')) }} as date) as date_local
from {{ ref('fct_station_status') }}
