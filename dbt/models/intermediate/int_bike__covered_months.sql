with files as (

    select * from {{ ref('stg_bike__files') }}

),

-- two files can have the same month: the month's own file and the file of the whole year
months as (

    select
        month,
        {{ dbt.bool_or('is_cut_by_end') }} as is_cut_by_end

    from files
    group by month

)

select * from months
