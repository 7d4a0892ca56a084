{{ config(materialized='view', schema='intermediate') }}

with days as (

    select cast(null as date) as date_local
    {% for name in env_var('DATA_STACK_SOURCES', '').split() %}
    union all
    select date_local from {{ ref('days_of_' ~ name) }}
    {% endfor %}

),

final as (

    select
        min(date_local) as first_day,
        max(date_local) as last_day

    from days

)

select * from final
