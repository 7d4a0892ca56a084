"""A source that only a test defines, as a plain dlt resource, from its provider to the published warehouse."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import shapes
from parsed_project import copy_shared_project
from registered import set_sources
from shapes import AccountsTable

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from dbt_runner import build
from orchestration.cli.app import execute

pytestmark = pytest.mark.slow

RUN = ["run", "--sources", "accounts"]
MODELS = {
    "staging/_accounts__sources.yml": """
sources:
  - name: accounts
    description: Accounts.
    database: raw_accounts
    schema: raw
    config: {meta: {source: accounts}}
    tables:
      - name: accounts
        description: One row per account and version.
""",
    "staging/stg_accounts__accounts.sql": """
select
    id as account_id,
    balance,
    cast(updated_at as date) as updated_on
from {{ source('accounts', 'accounts') }}
where _dlt_load_id in {{ passed_loads('accounts') }} and not is_deleted
""",
    "core/fct_accounts.sql": "select * from {{ ref('stg_accounts__accounts') }}",
    "core/days_of_accounts.sql": """
{{ config(materialized='view', schema='intermediate', contract={'enforced': false}) }}
select updated_on as date_local from {{ ref('fct_accounts') }}
""",
}
COLUMNS = """
models:
  - name: {name}
    description: One row per account.
    config: {{meta: {{source: accounts}}}}
    columns:
      - {{name: account_id, description: Its number., data_type: bigint}}
      - {{name: balance, description: Its balance., data_type: "decimal(18, 2)"}}
      - {{name: updated_on, description: Day of its last change., data_type: date}}
"""


@pytest.fixture
def accounts(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AccountsTable:
    """Three accounts, and a dbt project that has models of them and of no other source."""
    set_sources(monkeypatch, ())
    shapes.register(monkeypatch, "accounts")
    project = tmp_path / "dbt"
    copy_shared_project(project)
    for name, text in MODELS.items():
        (project / "models" / name).write_text(text.lstrip())
    for name in ("staging/stg_accounts__accounts", "core/fct_accounts"):
        (project / "models" / f"{name}.yml").write_text(COLUMNS.format(name=name.split("/")[1]))
    monkeypatch.setattr(build, "DBT_DIR", project)
    table = AccountsTable(tmp_path)
    for account, balance in ((1, "10.00"), (2, "20.00"), (3, "30.00")):
        table.put(account, balance)
    return table


def published(settings: Settings) -> list[tuple[object, ...]]:
    with open_warehouse(settings.warehouse_file) as db:
        return db.execute("select account_id, balance from core.fct_accounts order by 1").fetchall()


def test_changes_and_deletions_are_published_and_a_red_load_is_held_back(
    settings: Settings, accounts: AccountsTable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(RUN) == 0
    assert published(settings) == [(1, Decimal("10.00")), (2, Decimal("20.00")), (3, Decimal("30.00"))]
    accounts.put(2, "25.00")
    accounts.put(3, "30.00", is_deleted=True)
    assert execute(RUN) == 0
    assert published(settings) == [(1, Decimal("10.00")), (2, Decimal("25.00"))]
    accounts.put(1, "-5.00")
    assert execute(RUN) == 1
    assert published(settings) == [(1, Decimal("10.00")), (2, Decimal("25.00"))]
    capsys.readouterr()
    assert execute(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [held["source_name"] for held in found["held_back"]] == ["accounts"]
    assert found["publication"]["sources"]["accounts"]["data_through"] == "2024-01-05"
    accounts.put(1, "5.00")
    assert execute(RUN) == 0
    assert published(settings) == [(1, Decimal("5.00")), (2, Decimal("25.00"))]
