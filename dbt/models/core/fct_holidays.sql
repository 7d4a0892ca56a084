with entries as (

    select
        date_local,
        holiday,
        is_global,
        coalesce(is_global and ',' || types || ',' like '%,Public,%', false) as is_nationwide

    from {{ ref('stg_holidays__holidays') }}

),

final as (

    select
        date_local,
        holiday,
        count(case when is_nationwide then 1 end) > 0 as is_nationwide,
        count(*) as entries

    from entries
    group by date_local, holiday

)

select * from final
