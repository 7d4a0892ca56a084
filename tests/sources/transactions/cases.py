"""Cases of the transactions suite: each corrupts one thing in the clean raw file."""

from datetime import date

from gate_cases import BETWEEN, IN_SET, NOT_NULL, REGEX, Case, critical, warning
from sources.transactions.clean import transaction_id

SECOND = "batch = 'second.csv'"
SHOP = transaction_id(date(2024, 3, 8), "Shop 2")


def row(assignment: str, where: str = f"transaction_id = '{SHOP}'") -> str:
    return f"update raw.transactions set {assignment} where {SECOND} and {where};"


def row_count(change: int) -> str:
    return f"update raw.files set rows_loaded = rows_loaded + {change} where {SECOND};"


EXPORT = ("export 2",)
INCOMES = tuple(transaction_id(date(2024, month, 26), "Employer") for month in range(1, 6))

CASES = [
    Case("no id", row("transaction_id = null"), (critical(NOT_NULL, "transaction_id", 1, ("line 26",)),)),
    Case(
        "an id that is not a hash",
        row("transaction_id = 'Jane Roe'"),
        (critical(REGEX, "transaction_id", 1, ("line 26",)),),
    ),
    Case(
        "duplicate transaction",
        f"insert into raw.transactions from raw.transactions where {SECOND} and transaction_id = '{SHOP}';"
        + row_count(1),
        (critical(BETWEEN, "copies_in_file", 2, (SHOP, SHOP)),),
    ),
    Case("no date", row("date = null"), (critical(NOT_NULL, "date", 1, (SHOP,)),)),
    Case(
        "a date in the far future",
        row("date = '2024-07-03'"),
        (
            critical(BETWEEN, "days_after_load", 1, (SHOP,)),
            warning(BETWEEN, "days_pending", 1, (transaction_id(date(2024, 5, 28), "Shop 0"),)),
            warning(BETWEEN, "share_of_months_before", 1, ("export 2, 2024-06",)),
        ),
    ),
    Case(
        "a year of two digits",
        row("date = '0024-03-08'"),
        (critical(BETWEEN, "year", 1, (SHOP,)), warning(BETWEEN, "share_of_months_before", 2)),
    ),
    Case("no amount", row("amount = null"), (critical(NOT_NULL, "amount", 1, (SHOP,)),)),
    Case("a lost decimal point", row("amount = 20500000"), (warning(IN_SET, "is_amount_huge", 1, (SHOP,)),)),
    Case("no name", row("name = ' '"), (warning(NOT_NULL, "name", 1, (SHOP,)),)),
    Case("no account", row("account = ''"), (critical(NOT_NULL, "account", 1, (SHOP,)),)),
    Case("a mask read as a number", row("account_mask = '42.0'"), (critical(REGEX, "account_mask", 1, (SHOP,)),)),
    Case("no type", row("type = null"), (critical(NOT_NULL, "type", 1, (SHOP,)),)),
    Case("a fourth type", row("type = 'loan'"), (critical(IN_SET, "type", 1, (SHOP,)),)),
    Case("no status", row("status = null"), (critical(NOT_NULL, "status", 1, (SHOP,)),)),
    Case("a third status", row("status = 'cancelled'"), (critical(IN_SET, "status", 1, (SHOP,)),)),
    Case(
        "a returned salary",
        row("amount = 3000", f"transaction_id = '{INCOMES[0]}'"),
        (warning(IN_SET, "is_income_positive", 1, INCOMES[:1]),),
    ),
    Case("pending for a long time", row("status = 'pending'"), (warning(BETWEEN, "days_pending", 1, (SHOP,)),)),
    Case(
        "mostly uncategorised",
        row("category = ' '", "type = 'regular' and date < '2024-04-01'"),
        (warning(IN_SET, "is_category_blank", 24),),
    ),
    Case("a missing transaction", row_count(1), (critical(BETWEEN, "transactions_missing", 1, EXPORT),)),
    Case("a duplicated transaction", row_count(-1), (critical(BETWEEN, "transactions_missing", 1, EXPORT),)),
    Case(
        "many rejected rows",
        f"update raw.files set rows_rejected = 1 where {SECOND}",
        (warning(BETWEEN, "rejected_share", 1, EXPORT),),
    ),
    Case(
        "income with reversed signs",
        row("amount = -amount", "type = 'income'"),
        (critical(BETWEEN, "positive_income_share", 1, EXPORT), warning(IN_SET, "is_income_positive", 5, INCOMES)),
    ),
    Case(
        "spending with reversed signs",
        row("amount = -amount", "type = 'regular'"),
        (critical(BETWEEN, "negative_regular_share", 1, EXPORT),),
    ),
    Case(
        "an export that would erase an earlier one",
        f"delete from raw.transactions where {SECOND} and type = 'regular' and month(date) < 4;" + row_count(-24),
        (critical(BETWEEN, "share_of_replaced", 1, EXPORT),),
    ),
    Case(
        "one side of a transfer",
        row("amount = amount / 2", "account = 'Savings' and month(date) = 3"),
        (warning(BETWEEN, "transfer_net_share", 1, ("export 2, 2024-03",)),),
    ),
    Case(
        "a month with few transactions",
        f"delete from raw.transactions where {SECOND} and month(date) = 4 and type != 'internal transfer';"
        + row_count(-9),
        (warning(BETWEEN, "share_of_months_before", 1, ("export 2, 2024-04",)),),
    ),
]
