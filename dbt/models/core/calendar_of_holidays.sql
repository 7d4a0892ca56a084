{{ config(materialized='view', schema='intermediate') }}

with years as (

    select
        cast(cast(year as {{ dbt.type_string() }}) || '-01-01' as date) as first_day,
        cast(cast(year as {{ dbt.type_string() }}) || '-12-31' as date) as last_day

    from {{ ref('stg_holidays__years') }}

),

days as (

    select {{ each_day('first_day', 'last_day') }} as date_local
    from years

),

named as (

    select
        date_local,
        {{ join_sorted('holiday') }} as holiday

    from {{ ref('fct_holidays') }}
    where is_nationwide
    group by date_local

),

final as (

    select
        days.date_local,
        named.date_local is not null as is_holiday,
        named.holiday

    from days
    left join named on days.date_local = named.date_local

)

select * from final
