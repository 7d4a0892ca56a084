-- grain: one row per account and month
select
    account,
    account_mask,
    month,
    count(*) as times
from {{ ref('fct_transaction_coverage_monthly') }}
group by account, account_mask, month
having count(*) > 1
