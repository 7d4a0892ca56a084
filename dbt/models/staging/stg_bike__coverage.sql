with source as (

    select * from {{ source('bike', 'coverage') }}
    where _dlt_load_id in {{ passed_loads('bike') }}

),

-- a month can stand in two files: its own and a year's
months as (

    select
        month,
        bool_or(is_cut_by_end) as is_cut_by_end

    from source
    group by month

)

select * from months
