"""Expectations on bank exports.

A single row rejects a load: each is money, and no model flags it. Only what can be true of a
correct export (a returned salary, a large purchase, an old pending row) is a warning.

The data is personal: keys are transaction ids (hashes) and numbers of exports, no column is observed, the frame shows
only whether `name`, `amount` and `account` have a value, and shares of amounts are neither recorded nor shown.
"""

import great_expectations.expectations as gxe

from data_quality.check import Check, critical, warning

_ROWS = """
with files as (
    select files.batch, files.loaded_at_utc, max(transactions.date) as last_date
    from raw.files
    left join raw.transactions on files.batch = transactions.batch
    group by files.batch, files.loaded_at_utc
),
repeated as (
    select batch, transaction_id, count(*) as copies
    from raw.transactions
    group by batch, transaction_id
    having count(*) > 1
)
select
    case
        when regexp_full_match(transactions.transaction_id, '[0-9a-f]{32}') then transactions.transaction_id
        else concat('line ', transactions.source_line)
    end as key,
    transactions.transaction_id,
    coalesce(repeated.copies, 1) as copies_in_file,
    transactions.date,
    date_diff('day', files.loaded_at_utc::date, transactions.date) as days_after_load,
    year(transactions.date) as year,
    case when transactions.amount is not null then true end as amount,
    abs(transactions.amount) >= 10000000 as is_amount_huge,
    case when trim(transactions.name) != '' then true end as name,
    case when trim(transactions.account) != '' then true end as account,
    nullif(trim(transactions.account_mask), '') as account_mask,
    transactions.type,
    transactions.status,
    case when transactions.type = 'income' then transactions.amount > 0 end as is_income_positive,
    case when transactions.status = 'pending' then date_diff('day', transactions.date, files.last_date) end
        as days_pending,
    case when transactions.type = 'regular' then coalesce(trim(transactions.category), '') = '' end as is_category_blank
from raw.transactions
left join files on transactions.batch = files.batch
left join repeated
    on transactions.batch = repeated.batch and transactions.transaction_id = repeated.transaction_id
where transactions._dlt_load_id = $load_id
"""

_EXPORTS = """
with rows_of_load as (
    select
        batch,
        count(*) as transactions,
        count(*) filter (where type = 'income') as incomes,
        count(*) filter (where type = 'income' and amount > 0) as positive_incomes,
        count(*) filter (where type = 'regular') as regulars,
        count(*) filter (where type = 'regular' and amount < 0) as negative_regulars
    from raw.transactions
    where _dlt_load_id = $load_id
    group by batch
),
-- per earlier export of the same account: its rows on the days of this export, and the rows of this one on its days
overlapping as (
    select
        this.batch,
        (
            select count(*)
            from raw.transactions
            where batch = earlier.batch
                and account is not distinct from this.account
                and account_mask is not distinct from this.account_mask
                and date between this.covered_from and this.covered_to
        ) as rows_before,
        (
            select count(*)
            from raw.transactions
            where batch = this.batch
                and account is not distinct from this.account
                and account_mask is not distinct from this.account_mask
                and date between earlier.covered_from and earlier.covered_to
        ) as rows_now
    from raw.coverage as this
    inner join raw.coverage as earlier
        on this.account is not distinct from earlier.account
        and this.account_mask is not distinct from earlier.account_mask
        and this.export_order > earlier.export_order
    where this._dlt_load_id = $load_id
),
replaced as (
    select batch, sum(rows_now) / nullif(sum(rows_before), 0) as share_of_replaced
    from overlapping
    group by batch
)
select
    concat('export ', files.export_number) as key,
    files.rows_loaded - coalesce(rows_of_load.transactions, 0) as transactions_missing,
    files.rows_rejected / nullif(files.rows_read, 0) as rejected_share,
    case when incomes >= 3 then positive_incomes / incomes end as positive_income_share,
    case when regulars >= 3 then negative_regulars / regulars end as negative_regular_share,
    share_of_replaced
from (
    select *, dense_rank() over (order by export_order) as export_number from raw.files
) as files
left join rows_of_load on files.batch = rows_of_load.batch
left join replaced on files.batch = replaced.batch
where files._dlt_load_id = $load_id
order by files.export_order
"""

# the first and the last month of an export are usually incomplete, so their volume is not checked
_MONTHS = """
with bounds as (
    select batch, date_trunc('month', min(date)) as first_month, date_trunc('month', max(date)) as last_month
    from raw.transactions
    where _dlt_load_id = $load_id
    group by batch
),
months as (
    select
        batch, unnest(generate_series(first_month::timestamp, last_month::timestamp, interval 1 month)) as month
    from bounds
),
counts as (
    select
        batch,
        date_trunc('month', date) as month,
        count(*) as transactions,
        abs(sum(amount) filter (where type = 'internal transfer')) as net,
        sum(abs(amount)) filter (where type = 'internal transfer') as turnover,
        count(distinct concat_ws(':', account, account_mask)) filter (where type = 'internal transfer') as accounts
    from raw.transactions
    where _dlt_load_id = $load_id
    group by all
),
compared as (
    select
        months.*,
        net,
        turnover,
        accounts,
        coalesce(transactions, 0) / nullif(median(coalesce(transactions, 0)) over (
            partition by months.batch order by months.month range between interval 6 month preceding
            and interval 1 month preceding
        ), 0) as share_of_months_before
    from months
    left join counts on months.batch = counts.batch and months.month = counts.month
)
select
    concat('export ', files.export_number, ', ', strftime(compared.month, '%Y-%m')) as key,
    case when accounts > 1 then (net / turnover)::double end as transfer_net_share,
    case when compared.month > bounds.first_month and compared.month < bounds.last_month then share_of_months_before end
        as share_of_months_before
from compared
inner join bounds on compared.batch = bounds.batch
left join (
    select *, dense_rank() over (order by export_order) as export_number from raw.files
) as files on compared.batch = files.batch
order by files.export_order, compared.month
"""

_ROW_EXPECTATIONS = (
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "transaction_id",
        "A transaction without an id cannot be matched with itself in a later export and would be counted twice.",
    ),
    critical(
        gxe.ExpectColumnValuesToMatchRegex,
        "transaction_id",
        "The id is an MD5 hash of the key columns; any other text could bring personal data into reports.",
        regex=r"^[0-9a-f]{32}$",
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "copies_in_file",
        "A transaction appears once in its export (equal purchases differ in `occurrence`); a duplicate counts twice.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "date",
        "A transaction without a date belongs to no month, so it is missing from every monthly sum.",
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "days_after_load",
        "Banks announce payments a few days ahead; a date over a month after the load was read incorrectly, and every"
        " day up to it would count as covered by the export.",
        max_value=31,
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "year",
        "No export is from before 1990; a year such as 24 comes from two digits, and the export would replace every"
        " earlier one since then.",
        min_value=1990,
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "amount",
        "A transaction without an amount is missing from every sum, and nobody would notice.",
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "is_amount_huge",
        "An amount of ten million or more is probably a lost decimal point and would dominate every sum.",
        value_set=[False],
    ),
    warning(
        gxe.ExpectColumnValuesToNotBeNull,
        "name",
        "The name is part of the key; without names, different transactions of one day look like duplicates.",
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "account",
        "An export replaces the accounts and dates it covers; a row without an account could be replaced by mistake.",
    ),
    critical(
        gxe.ExpectColumnValuesToMatchRegex,
        "account_mask",
        "A mask is digits kept as text; other characters, such as a decimal point, make it look like another account.",
        regex=r"^[0-9]{1,8}$",
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "type",
        "The type decides whether a row is spending, income or a transfer; without it the row is in no sum.",
    ),
    critical(
        gxe.ExpectColumnValuesToBeInSet,
        "type",
        "Cash flow knows regular, internal transfer and income; a row of another type is in none of its sums.",
        value_set=["regular", "internal transfer", "income"],
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "status",
        "The status shows whether a transaction is booked or can still change; without it nobody knows.",
    ),
    critical(
        gxe.ExpectColumnValuesToBeInSet,
        "status",
        "A transaction is posted or pending; any other status means that the format of the export has changed.",
        value_set=["posted", "pending"],
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "is_income_positive",
        "Income is negative, as positive amounts are money out; a single positive income may be a returned salary.",
        value_set=[False],
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "days_pending",
        "Banks book within days; a transaction pending for over two weeks will probably never be booked.",
        max_value=14,
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "is_category_blank",
        "Spending without a category is shown as uncategorised; if it is more than half, the page says little.",
        value_set=[False],
        mostly=0.5,
    ),
)

CHECKS = (
    Check("rows", _ROWS, _ROW_EXPECTATIONS),
    Check(
        "exports",
        _EXPORTS,
        (
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "transactions_missing",
                "The raw table must contain the rows counted in the export; otherwise some were lost or duplicated.",
                min_value=0,
                max_value=0,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "rejected_share",
                "Rejected rows are missing from every sum; look at them if they are more than 1 in 1,000.",
                max_value=0.001,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "positive_income_share",
                "If most incomes are positive, the export has reversed signs, and income would count as spending.",
                max_value=0.5,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "negative_regular_share",
                "If most regular rows are negative, the export has reversed signs: spending would count as refunds.",
                max_value=0.5,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "share_of_replaced",
                "An export replaces the dates it covers; with under half of the earlier rows, it erases the others.",
                min_value=0.5,
            ),
        ),
    ),
    Check(
        "months",
        _MONTHS,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "transfer_net_share",
                "The two sides of transfers add up to about zero per month; otherwise one side is missing.",
                max_value=0.2,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "share_of_months_before",
                "A complete month with under a fifth of the median of the months before is a gap in the export.",
                min_value=0.2,
            ),
        ),
    ),
)
