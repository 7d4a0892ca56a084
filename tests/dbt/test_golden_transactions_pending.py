"""Which transactions count, in random exports: the models in memory, compared with the loops of the golden data."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_builder import append, create_raw_tables
from sources.transactions.golden import Export, find_transactions_that_count

from data_stack.settings import Settings

DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(40)]


@st.composite
def exports(draw: st.DrawFn) -> list[Export]:
    """Up to four exports, in any order of time, of two accounts with equal payments."""
    numbers = range(1, draw(st.integers(1, 4)) + 1)
    return [_draw_export(draw, number) for number in numbers]


def _draw_export(draw: st.DrawFn, number: int) -> Export:
    name, first, last = f"export_{number}", *sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2)))
    row = st.fixed_dictionaries(
        {
            "date": st.dates(first, last),
            "name": st.sampled_from(["Cafe", None]),
            "amount": st.sampled_from([Decimal("3.00"), Decimal("4.50")]),
            "status": st.sampled_from(["pending", "posted"]),
            "account_mask": st.sampled_from(["0001", None]),
        }
    )
    rows = draw(st.lists(row, max_size=8))
    constant = {"account": "Card", "batch": name}
    coverage = {**constant, "export_order": number, "covered_from": first, "covered_to": last}
    return {
        "transactions": [{**row, **constant, "transaction_id": f"{number}.{i}"} for i, row in enumerate(rows)],
        "coverage": [{**coverage, "account_mask": mask} for mask in ("0001", None)],
    }


@pytest.fixture(scope="module")
def memory(golden: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the models from the raw tables to `fct_transactions`, as views."""
    target = golden.build_dir / "dbt" / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    with duckdb.connect() as db:
        db.execute("attach ':memory:' as raw_transactions; attach ':memory:' as warehouse; use raw_transactions")
        create_raw_tables(db, "transactions")
        db.execute("create schema warehouse.gate")
        db.execute("create table warehouse.gate.passed_loads as select 'transactions' as source, '1.0' as load_id")
        for node in _find_upstream(manifest, "model.data_stack.fct_transactions"):
            sql = (target / "compiled/data_stack" / node["original_file_path"]).read_text()
            db.execute(f"create schema if not exists warehouse.{node['schema']}")
            db.execute(f"create view warehouse.{node['schema']}.{node['name']} as {sql}")
        yield db


def _find_upstream(manifest: dict[str, Any], unique_id: str) -> list[dict[str, Any]]:
    """A model and every model that it is made from, in the order in which they can be built."""
    graph: dict[str, list[str]] = {}
    unread = [unique_id]
    while unread:
        node = unread.pop()
        graph[node] = [parent for parent in manifest["parent_map"][node] if parent.startswith("model.")]
        unread += graph[node]
    return [manifest["nodes"][node] for node in TopologicalSorter(graph).static_order()]


@pytest.mark.integration
@given(exports())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_random_exports_give_the_expected_transactions(memory: duckdb.DuckDBPyConnection, found: list[Export]) -> None:
    assert _read_transactions(memory, found) == sorted(find_transactions_that_count(found))


def test_many_equal_pending_payments_are_matched(memory: duckdb.DuckDBPyConnection) -> None:
    payment = {"name": "SUBWAY", "amount": Decimal("2.90"), "account": "Card", "account_mask": "0001"}
    found = []
    for number, (status, day, count) in enumerate([("pending", DAYS[10], 30), ("posted", DAYS[11], 20)], start=1):
        constant = {**payment, "batch": f"export_{number}", "status": status, "date": day}
        days = {"export_order": number, "covered_from": day, "covered_to": day}
        covered = {column: constant[column] for column in ("account", "account_mask", "batch")} | days
        rows = [{**constant, "transaction_id": f"{status}_{i:03}"} for i in range(count)]
        found.append({"transactions": rows, "coverage": [covered]})
    ids = _read_transactions(memory, found)
    assert ids == sorted(find_transactions_that_count(found))
    assert len(ids) == 30


def _read_transactions(memory: duckdb.DuckDBPyConnection, found: list[Export]) -> list[str]:
    for table in ("transactions", "coverage"):
        memory.execute(f"delete from raw.{table}")
        append(memory, "transactions", table, [row for export in found for row in export[table]], "1.0")
    listed = memory.execute("select transaction_id from warehouse.core.fct_transactions order by 1").fetchall()
    return [name for (name,) in listed]
