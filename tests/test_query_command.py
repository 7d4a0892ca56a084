"""`data-stack query` on a published file: what it shows, what it hides, what it refuses."""

from pathlib import Path

import pytest
from published_file import CANARIES, write_published_file

from data_stack.settings import Settings
from orchestration.cli.app import execute


def test_a_query_shows_rows_and_reaches_nothing_else(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert execute(["query", "select 1"]) == 1
    assert "no published warehouse" in capsys.readouterr().err
    settings.data_dir.mkdir()
    write_published_file(settings.warehouse_file)
    assert execute(["query", "select day_utc, count(*) from core.fct_visits where guests = 6 group by 1"]) == 0
    shown = capsys.readouterr().out
    assert "2024-01-05" in shown
    assert "2 │" in shown
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    attempts = (
        "select * from nowhere",
        f"select * from '{secret}'",
        f"copy (select 1) to '{tmp_path / 'out.csv'}'",
        "delete from core.fct_visits",
        f"attach '{settings.raw_file('visits')}' as raw",
        "set enable_external_access = true",
    )
    for attempt in attempts:
        assert execute(["query", attempt]) == 2, attempt
        assert "the warehouse does not answer this" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_query_hides_personal_columns_unless_asked(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings.data_dir.mkdir()
    write_published_file(settings.warehouse_file)
    everything = "select * from core.fct_payments"
    for sql in (
        everything,
        "select * from warehouse.core.fct_payments",
        "select upper(payee) || note, max(amount) from core.fct_payments group by all",
    ):
        assert execute(["query", sql]) == 0
        assert not any(canary in "".join(capfd.readouterr()) for canary in CANARIES), sql
    assert execute(["query", "select cast(payee as integer) from core.fct_payments"]) == 2
    assert "PAYEE-CANARY" not in "".join(capfd.readouterr())
    assert execute(["query", "select count(*) as rows, count(distinct payee) as payees from core.fct_payments"]) == 0
    shown = capfd.readouterr()
    assert "40 │     40 │" in shown.out
    assert "core.fct_payments: amount, note, payee are personal and hidden" in shown.err
    assert execute(["query", everything, "--show-personal"]) == 0
    shown = capfd.readouterr()
    assert "PAYEE-CANARY" in shown.out
    assert shown.err == ""
