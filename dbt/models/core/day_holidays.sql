{{ config(materialized='view', schema='intermediate') }}

-- a source that knows holidays has a model `calendar_of_<source>`; `dbt_runner` finds which sources have one
with calendars as (

    select
        cast(null as date) as date_local,
        cast(null as boolean) as is_holiday,
        cast(null as {{ dbt.type_string() }}) as holiday
    {% for name in env_var('DATA_STACK_CALENDARS', '').split() %}
    union all
    select
        date_local,
        is_holiday,
        holiday
    from {{ ref('calendar_of_' ~ name) }}
    {% endfor %}

),

final as (

    select
        date_local,
        count(case when is_holiday then 1 end) > 0 as is_holiday,
        {{ join_sorted('holiday') }} as holiday

    from calendars
    where date_local is not null
    group by date_local

)

select * from final
