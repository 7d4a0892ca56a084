with months as (

    select
        month,
        {{ dbt.last_day('month', 'month') }} as last_day,
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as next_month,
        cast({{ dbt.dateadd('month', -1, 'month') }} as date) as previous_month,
        is_cut_by_end

    from {{ ref('int_bike__covered_months') }}

),

neighbours as (

    select
        months.*,
        following.month is not null as is_next_covered,
        preceding.month is not null as is_previous_covered

    from months
    left join months as following on months.next_month = following.month
    left join months as preceding on months.previous_month = preceding.month

),

days as (

    select
        *,
        {{ each_day('month', 'last_day') }} as date_local

    from neighbours

),

-- a ride over the last midnight of a month is in one file only: the file of the month in which it ended, if cut by end
final as (

    select
        date_local,
        month,
        not is_cut_by_end or is_next_covered or date_local < last_day as is_complete,
        is_cut_by_end or is_previous_covered or date_local > month as is_complete_for_arrivals

    from days

)

select * from final
