"""Columns of transactions that are personal under another name, and sums that are not personal."""

import pytest
from column_lineage import Model, find_unmarked_columns, trace_columns
from dbt_support import rows

from data_stack.settings import Settings


def named(models: list[Model], name: str) -> Model:
    (found,) = (model for model in models if model.name == name)
    return found


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("stg_transactions__transactions", "name"),
        # the raw column is called recurring
        ("stg_transactions__transactions", "recurring_name"),
        ("stg_transactions__coverage", "account_mask"),
        ("fct_transactions", "amount"),
        ("fct_transaction_coverage_monthly", "account"),
        # called recurring_name in the facts; the difference of two amounts
        ("mart_recurring_payments", "name"),
        ("mart_recurring_payments", "amount_change"),
    ],
)
def test_missing_mark_is_found(models: list[Model], model: str, column: str) -> None:
    del named(models, model).columns[column]["personal"]
    assert find_unmarked_columns(models) == {f"{model}.{column}"}


def test_new_column_without_a_mark_is_found(models: list[Model]) -> None:
    staging = named(models, "stg_transactions__transactions")
    staging.sql = staging.sql.replace("as recurring_name,", "as recurring_name, upper(note) as remark,")
    staging.origins = trace_columns(staging.sql, models)
    assert find_unmarked_columns(models) == {"stg_transactions__transactions.remark"}


def test_sums_are_not_personal_because_the_model_says_so(models: list[Model]) -> None:
    del named(models, "mart_cash_flow_monthly").meta["is_aggregate"]
    assert find_unmarked_columns(models) == {
        f"mart_cash_flow_monthly.{column}" for column in ("income", "spending", "net", "savings_rate")
    }


def test_build_lists_amounts_as_published(golden: Settings) -> None:
    listed = "select data_type, is_published from gate.personal_columns where table_name = 'core.fct_transactions'"
    assert rows(golden, f"{listed} and column_name = 'amount'") == [("decimal(18,2)", True)]
