"""A source that only a test defines, as a plain dlt resource, from its provider to the published warehouse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import shapes
from parsed_project import copy_shared_project
from registered import set_sources
from shapes import AccountsTable

from data_stack.lake.lake import connect_lake, open_lake, select_table
from data_stack.ops import Ops
from data_stack.publications import find_publication
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


def in_the_lake(settings: Settings) -> list[tuple[object, ...]]:
    """The rows that another engine would stage, of the manifest that belongs to the publication."""
    publication, lake = find_publication(settings.warehouse_file), open_lake(settings)
    assert publication and lake
    described = json.loads(publication.row["sources"])["accounts"]
    manifest = lake.read_manifest("accounts", described["lake_manifest"])
    with connect_lake(settings, lake) as db:
        rows = select_table(lake, manifest, "accounts")
        return db.execute(f"select id, balance from ({rows}) where not is_deleted order by 1").fetchall()


def lake_status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert execute(["lake", "status", "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["sources"]
    return next(source for source in found if source["source"] == "accounts")


@contextmanager
def without_lake(settings: Settings) -> Iterator[None]:
    """The folder of the lake is not there, as if its disk was not mounted, and cannot be made."""
    lake = Path(str(settings.lake_url))
    lake.rename(lake.with_name("unmounted"))
    lake.touch()
    yield
    lake.unlink()
    lake.with_name("unmounted").rename(lake)


def check_lake_does_not_answer(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB does not read the lake, so a run publishes and warns; Spark does, so it builds nothing."""
    capsys.readouterr()
    assert execute(RUN) == 0
    assert published(settings) == [(1, Decimal("10.00")), (2, Decimal("25.00"))]
    warning = f"the lake at {settings.lake_url} does not answer (NotADirectoryError); check that the folder is there"
    assert warning in " ".join(capsys.readouterr().out.split())
    publication = find_publication(settings.warehouse_file)
    assert publication
    assert "lake_manifest" not in json.loads(publication.row["sources"])["accounts"], "there is none with its rows"
    assert execute(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"][0]["status"], found["held_back"]) == ("succeeded", [])
    (fault,) = found["lake_faults"]
    assert fault["source_name"] == "accounts" and fault["reason"].startswith(warning)
    assert execute(["status"]) == 0
    assert "Not in the lake" in capsys.readouterr().out
    with monkeypatch.context() as patched:
        patched.setenv("ENGINE", "spark")
        assert execute(["transform"]) == 1
    assert warning in " ".join(capsys.readouterr().err.split())


def test_changes_and_deletions_are_published_and_a_red_load_is_held_back(
    settings: Settings,
    accounts: AccountsTable,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKE_URL", str(tmp_path / "lake"))
    monkeypatch.setenv("LAKE_DOWNLOADS", "true")
    settings = Settings.load()
    assert execute(RUN) == 0
    assert published(settings) == [(1, Decimal("10.00")), (2, Decimal("20.00")), (3, Decimal("30.00"))]
    assert in_the_lake(settings) == published(settings)
    accounts.put(2, "25.00")
    accounts.put(3, "30.00", is_deleted=True)
    with without_lake(settings):
        check_lake_does_not_answer(settings, capsys, monkeypatch)
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
    assert in_the_lake(settings) == published(settings)
    capsys.readouterr()
    assert execute(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lake_faults"] == []
    found = lake_status(capsys)
    assert (found["source"], found["loads_to_write"]) == ("accounts", 0)
    assert execute(["lake", "sync"]) == 0
    assert execute(["lake", "vacuum", "--older-than", "0"]) == 0
    assert "accounts: 0 files (0 B) removed" in capsys.readouterr().out
    assert lake_status(capsys) == found
    assert execute(["reset", "accounts", "--yes"]) == 0
    assert (lake_status(capsys)["loads"], lake_status(capsys)["rows"]) == (0, 0)
    assert in_the_lake(settings) == published(settings), "the publication has its own manifest"
    assert not settings.landing_dir("accounts").exists()
    accounts.path.unlink()
    capsys.readouterr()
    assert execute(["ingest", "accounts", "--replay"]) == 0, "the lake has the downloads"
    assert len(Ops(settings).open_loads("accounts")) == len(list(settings.landing_dir("accounts").glob("objects/*/*")))
