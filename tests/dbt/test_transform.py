"""The transform step around dbt: what it refuses, records and leaves unchanged."""

import logging
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from dbt_support import make_empty_raw, put_rows, rows
from raw_builder import build_raw, pass_loads

from data_stack.errors import GateFailedError, TerminalError
from data_stack.ops import Ops
from data_stack.redaction import describe_dbt_message
from data_stack.settings import Settings
from dbt_runner import build as transform_module
from dbt_runner.build import DBT_DIR, generate_docs, transform


def test_load_that_has_not_passed_is_refused(settings: Settings) -> None:
    build_raw(settings, "weather", {"hours": [{"place_id": "p", "hour_utc": None}]}, load_id="7.0")
    with pytest.raises(GateFailedError, match="load 7.0 has not passed"):
        transform(settings, Ops(settings.ops_dir), "run")
    assert not settings.build_file.exists()


def test_missing_raw_file_is_named(settings: Settings) -> None:
    build_raw(settings, "bike")
    with pytest.raises(TerminalError, match="weather.duckdb is missing.*data-stack ingest weather"):
        transform(settings, Ops(settings.ops_dir), "run")


def test_missing_build_is_named(settings: Settings) -> None:
    with pytest.raises(TerminalError, match="there is no build at .*data-stack transform"):
        generate_docs(settings)


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        ("pass", None, None),
        ("fail", "Got 3 results, configured to fail if != 0", "3 rows break it"),
        (
            "error",
            "Runtime Error in model x (x.sql)\n  Conversion Error: could not cast 'Jane' to INT64",
            "Conversion Error",
        ),
        ("error", "Runtime Error in model x (x.sql)\n  Constraint Error: duplicate key 'Jane'", "Constraint Error"),
        (
            "error",
            "Runtime Error in model x (x.sql)\n  Binder Error: no column y\n  LINE 1",
            "Binder Error: no column y",
        ),
        ("error", "Runtime Error in model x (x.sql)\n  something about 'Jane'", "Runtime Error in model x (x.sql)"),
        (
            "error",
            "Compilation Error in model x\n  the contract failed",
            "Compilation Error in model x the contract failed",
        ),
    ],
)
def test_failure_message_has_no_value_of_a_row(status: str, message: str | None, words: str | None) -> None:
    assert describe_dbt_message(status, 3, message) == words


@pytest.mark.integration
def test_failed_test_is_reported_recorded_and_fixed(data: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings, ops = data, Ops(data.ops_dir)
    gift = {
        "transaction_id": "t1",
        "date": date(2024, 1, 1),
        "name": "Jane Doe",
        "amount": Decimal("1.00"),
        "status": "posted",
        "type": "gift to Jane",
        "source_line": 2,
    }
    twice = [gift, {**gift, "source_line": 3}]
    build_raw(settings, "transactions", {"transactions": twice}, load_id="5.0")
    pass_loads(settings)
    with pytest.raises(
        TerminalError,
        match="dbt: test unique_stg_transactions__transactions_transaction_id.*1 rows break it.*its SQL",
    ):
        transform(settings, ops, "red")
    failed = ops.query("select node, resource_type, status, failures, message from dbt_results where status = 'fail'")
    assert [(row["resource_type"], row["failures"], row["message"]) for row in failed] == [
        ("test", 1, "1 rows break it")
    ]
    texts = [path for path in settings.build_dir.rglob("*") if path.is_file() and path != settings.build_file]
    assert [path for path in texts if b"Jane" in path.read_bytes()] == []

    # the build file is free again, also after the failure
    with duckdb.connect(str(settings.build_file)) as db:
        assert db.execute("select count(*) from gate.passed_loads").fetchone() == (1,)

    with duckdb.connect(str(settings.raw_file("transactions"))) as db:
        db.execute("delete from raw.transactions where source_line = 3")
    seen: list[tuple[str, str]] = []
    environment = dict(os.environ)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    report = transform(settings, ops, "green", on_node=lambda node, status: seen.append((node, status)))

    assert report.models == len(list((DBT_DIR / "models").glob("**/*.sql")))
    assert ("fct_transactions", "success") in seen
    assert (
        len(seen) == report.models + report.tests == len(ops.query("select * from dbt_results where run_id = 'green'"))
    )
    # the caller's environment, logging and screen are as before
    assert dict(os.environ) == environment
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)
    assert capfd.readouterr() == ("", "")
    assert not report.full_refresh
    # the gate rejects an unknown type; a load that was accepted manually with one still builds
    assert "Jane" not in str(report.warnings)
    assert len(report.warnings) == 1


def test_changed_project_gets_a_full_refresh(settings: Settings) -> None:
    make_empty_raw(settings)
    ops = Ops(settings.ops_dir)
    one, other = "hash of one version", "hash of another"
    assert transform_module._prepare_build_file(settings, ops, one)
    transform_module._remember_project(settings, one)
    assert not transform_module._prepare_build_file(settings, ops, one)
    assert transform_module._prepare_build_file(settings, ops, other)
    # the build of the other version never finished, so the version of the tables is unknown
    assert transform_module._prepare_build_file(settings, ops, one)


def test_project_hash_follows_the_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: x")
    model = tmp_path / "models" / "m.sql"
    model.write_text("select 1")
    monkeypatch.setattr(transform_module, "DBT_DIR", tmp_path)
    before = transform_module._hash_project()
    assert transform_module._hash_project() == before
    model.write_text("select 2")
    assert transform_module._hash_project() != before


def test_only_decided_loads_are_read(golden_copy: Settings) -> None:
    settings, ops = golden_copy, Ops(golden_copy.ops_dir)
    ops.supersede_loads("transactions")
    transform_module._prepare_build_file(settings, ops, "")
    passed = rows(settings, "select source, count(*) from gate.passed_loads group by 1 order by 1")
    assert passed == [("bike", 2), ("weather", 1)]
    put_rows(settings, "weather", "hours", [{"place_id": "p", "hour_utc": None}], load_id="99.0")
    with pytest.raises(TerminalError, match="load 99.0 was interrupted"):
        transform(settings, ops, "run")
