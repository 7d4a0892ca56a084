with source as (

    select * from {{ source('bike', 'files') }}
    where _dlt_load_id in {{ passed_loads('bike') }}

),

-- two files can have the same month: the month's own file and the file of the whole year
months as (

    select
        month,
        bool_or(is_cut_by_end) as is_cut_by_end

    from source
    group by month

)

select * from months
