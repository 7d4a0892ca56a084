-- grain: one row per month, parent category and category
select
    month,
    parent_category,
    category,
    count(*) as times
from {{ ref('mart_spending_monthly') }}
group by month, parent_category, category
having count(*) > 1
