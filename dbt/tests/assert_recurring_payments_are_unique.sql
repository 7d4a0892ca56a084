-- grain: one row per recurring payment and type
select
    name,
    type,
    count(*) as times
from {{ ref('mart_recurring_payments') }}
group by name, type
having count(*) > 1
