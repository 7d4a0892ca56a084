"""Run records and locks in PostgreSQL: everything answers as from SQLite, and every fault is explained."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from postgres_server import PASSWORD, PostgresServer
from registered import VISITS

from data_quality.data_docs import _OUTCOMES
from data_stack.errors import LockHeldError, LockLostError, TerminalError, TransientError
from data_stack.held_back import find_held_back, find_lake_faults
from data_stack.locks import Locks
from data_stack.ops import TABLES, CallRecord, ExpectationRecord, LoadRecord, NodeRecord, Ops, TokenRecord, utc_now
from data_stack.ops_schema import MIGRATIONS, VERSION
from data_stack.postgres import _unreachable
from data_stack.publish import _copy_ops
from data_stack.record_store import FILE, MOVED_FILE
from data_stack.settings import Settings
from data_stack.window import Window
from orchestration.cli.app import execute
from orchestration.summary import _INGESTED, _STEPS, _VALIDATIONS
from streamlit_app.queries import data_quality as queries

pytestmark = pytest.mark.slow


@pytest.fixture
def on_postgres(ops_url: str, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OPS_URL", ops_url)
    return Settings.load()


def record_everything(ops: Ops) -> None:
    """Rows in every table: names that sort differently by language, nulls, a zero byte, a fraction with many digits."""
    for name in ("visits", "Zoo", "über", "a_b"):
        with suppress(TerminalError), ops.run("run", [name, "visits"], ("2024-01-01", "2024-01-31")) as run_id:
            with ops.step(run_id, "ingest", name) as step:
                step.rows, step.detail = 7, "100 % of 'it'?"
                ops.record_load(run_id, LoadRecord(name, f"load {name}", 10, 7, 2, 1))
            outcomes = [
                ExpectationRecord(each, "id", severity, each == "met", 10, 1, ["R\0", "ü"], None, "why")
                for each, severity in (("met", "critical"), ("Breaks", "critical"), ("breaks", "warning"))
            ]
            ops.record_validations(run_id, name, f"load {name}", outcomes)
            ops.record_dbt_results(
                run_id,
                [
                    NodeRecord("model", "model", "success", 1 / 3, None, None),
                    NodeRecord("test", "test", "fail", 0.1, 2**40, "2 rows break it"),
                ],
            )
            with ops.step(run_id, "validate", name):
                raise TerminalError("null byte \0 in a message")
    ops.decide_load("visits", "load visits", "failed", "visits: rides end before they start")
    ops.decide_load("Zoo", "load Zoo", "passed")
    ops.accept_load("load a_b", "as agreed")
    for number in range(3):
        rows = {"core.fct_visits": 10 + number} | ({"core.new": 5} if number else {})
        publication = {"publication_id": f"p{number}", "run_id": "r", "published_at_utc": utc_now()}
        sources = '{"visits": {"rows": 3, "data_through": null, "origin": "live"}}'
        ops.record_publication(publication | {"tables": f"{rows}".replace("'", '"'), "sources": sources})
    ops.record_pin("p1", "p2", "wrong numbers")
    ops.record_awaited("visits", Window.parse("2024-02-01", "2024-02-29", ("", "")))
    ops.record_token(TokenRecord("t", "pages", "analyst", "0" * 64, utc_now(), utc_now()))
    ops.record_call(CallRecord(utc_now(), "q", None, None, "GET", "/runs", 200, 1.5, cost_usd=0.1 + 0.2))


def list_questions(run_id: str) -> list[Callable[[Ops], Any]]:
    """Everything that the platform asks the run records."""
    return [
        lambda ops: ops.find_runs(10),
        lambda ops: ops.find_runs(10, status="failed", command="run", before=run_id),
        lambda ops: ops.find_run(run_id),
        lambda ops: [ops.passed_loads("Zoo"), ops.open_loads(), ops.failed_loads("visits"), ops.accepted_loads()],
        lambda ops: [ops.last_good_loads(), ops.awaited_windows("visits"), ops.was_reset("visits")],
        lambda ops: [ops.publication_ids(), ops.recorded_pin(), ops.find_token("t"), ops.list_tokens()],
        lambda ops: [find_held_back(ops.query), find_lake_faults(ops.query)],
        lambda ops: [ops.query(sql, [run_id]) for sql in (_INGESTED, _VALIDATIONS, _STEPS)],
        lambda ops: ops.query(_OUTCOMES, [10]),
        lambda ops: [queries.get_gates(ops, "", 10).rows(), queries.get_gates(ops, "Zoo", 2).rows()],
        lambda ops: queries.get_failed_expectations(ops, "", 10).rows(),
        lambda ops: [queries.get_held_back(ops, "").rows(), queries.get_pending_loads(ops, "").rows()],
        lambda ops: [queries.get_accepted_loads(ops, "").rows(), queries.get_loads(ops, "").rows()],
        lambda ops: [queries.get_builds(ops, 10).rows(), queries.get_failed_nodes(ops, 10).rows()],
        lambda ops: queries.get_freshness(ops, None, "", 45).rows(),
        lambda ops: [queries.get_source_rows(ops, 2).rows(), queries.get_table_rows(ops).rows()],
        lambda ops: [queries.get_last_runs(ops, 3).rows(), queries.get_steps(ops, 3).rows()],
        lambda ops: ops.query("select sum(rows) as n, avg(seconds) > 0 as is_some from steps"),
        lambda ops: ops.query("select * from api_calls"),
    ]


def read_published(ops: Ops) -> dict[str, tuple[Any, list[tuple]]]:
    """Types and rows of the tables of a published file."""
    with duckdb.connect() as db:
        _copy_ops(db, ops)
        return {
            table: (db.execute(f"describe ops.{table}").fetchall(), db.execute(f"from ops.{table}").fetchall())
            for table in TABLES
        }


def test_records_that_move_answer_as_before_and_are_published_alike(
    ops_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("data_stack.held_back.source_names", lambda: ["visits", "Zoo", "über", "a_b"])
    monkeypatch.setattr(queries, "SOURCES", (VISITS,))
    on_file = Ops(settings)
    record_everything(on_file)
    run_id = on_file.query("select run_id from runs order by rowid limit 1 offset 2")[0]["run_id"]
    questions = list_questions(run_id)
    before, published = [ask(on_file) for ask in questions], read_published(on_file)
    sums = "select sum(rows) as n, avg(rows) as mean, sum(seconds) is null as is_none from steps where step = 'ingest'"
    totals = repr(on_file.query(sums))
    assert all(before)
    assert {len(rows) for _, rows in published.values()} >= {3, 4, 8, 12}

    monkeypatch.setenv("OPS_URL", ops_url)
    assert execute(["status"]) == 1
    refused = capsys.readouterr().err
    assert f"are in {FILE}, and OPS_URL names a database; " in refused
    assert "data-stack records move` copies them there" in refused
    assert execute(["records", "move"]) == 0
    assert sorted(path.name for path in settings.ops_dir.glob("*.sqlite*")) == [MOVED_FILE]
    on_database = Ops(Settings.load())
    assert [ask(on_database) for ask in questions] == before
    assert read_published(on_database) == published
    assert repr(on_database.query(sums)) == totals == "[{'n': 28, 'mean': 7.0, 'is_none': 0}]"
    # and it goes on: what is recorded now is last, here and after the way back
    on_database.record_load("later", LoadRecord("visits", "later", 1, 1, 0, 0))
    assert [load["load_id"] for load in on_database.open_loads("visits")] == ["load visits", "later"]

    assert execute(["records", "move", "--back"]) == 0
    monkeypatch.setenv("OPS_URL", "sqlite")
    assert [load["load_id"] for load in Ops(settings).open_loads("visits")] == ["load visits", "later"]
    assert [ask(Ops(settings)) for ask in questions[9:11]] == before[9:11]


def test_a_move_that_was_killed_is_completed_and_other_records_are_not_overwritten(
    ops_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ops = Ops(settings)
    with ops.run("run", []):
        pass
    monkeypatch.setenv("OPS_URL", ops_url)
    with monkeypatch.context() as killed:
        killed.setattr("data_stack.record_store.SqliteStore.put_aside", lambda _: os.abort.missing)
        assert execute(["records", "move"]) == 1
    assert (settings.ops_dir / FILE).exists()
    assert execute(["records", "move"]) == 0
    (settings.ops_dir / MOVED_FILE).rename(settings.ops_dir / FILE)
    with ops.run("publish", []):
        pass
    capsys.readouterr()
    assert execute(["records", "move"]) == 2
    assert "the target has 1 other rows in runs; name an empty database" in capsys.readouterr().err


def test_a_migration_that_fails_changes_nothing(on_postgres: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Ops(on_postgres)
    broken = (*MIGRATIONS, ("alter table runs add column extra text", "insert into nowhere values (1)"))
    with monkeypatch.context() as later:
        later.setattr("data_stack.ops_schema.MIGRATIONS", broken)
        later.setattr("data_stack.ops_schema.VERSION", len(broken))
        with pytest.raises(psycopg.errors.UndefinedTable):
            Ops(on_postgres)
    assert "extra" not in Ops(on_postgres).columns("runs")


def test_a_later_version_and_a_role_that_cannot_migrate_are_refused(
    on_postgres: Settings, ops_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(ops_url) as db:
        db.execute("create table run_records_version as select 99 as version")
    with pytest.raises(TerminalError, match=f"have schema version 99, .* needs {VERSION}; update this checkout"):
        Ops(on_postgres)
    with psycopg.connect(ops_url) as db:
        db.execute("update run_records_version set version = 1")
        db.execute("create role reader in role pg_read_all_data login password 'x'")
        db.execute("do $$ begin execute format('grant usage on schema %I to reader', current_schema()); end $$")
    reader = ops_url.replace(ops_url.partition("//")[2].partition("@")[0], "reader:x")
    with pytest.raises(TerminalError, match=r"version 1, .* run `data-stack status` as a role that may create tables"):
        Ops(Settings.load(ops_url=reader))


def wait_for_waiting(db: psycopg.Connection, number: int) -> None:
    """Wait until so many sessions wait for an advisory lock."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if db.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").rowcount == number:
            return
        time.sleep(0.05)
    raise AssertionError("the other sessions do not wait for the lock")


def test_several_machines_create_the_records_at_once(on_postgres: Settings) -> None:
    code = "from data_stack.ops import Ops; from data_stack.settings import Settings; Ops(Settings.load())"
    # they have looked for the tables before they may create them
    with psycopg.connect(str(on_postgres.ops_database)) as db:
        db.execute("select pg_advisory_xact_lock(hashtextextended(current_schema() || '/run records', 0))")
        children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
        wait_for_waiting(db, len(children))
    assert [child.wait(timeout=60) for child in children] == [0] * 3
    assert Ops(on_postgres).query("select version from run_records_version") == [{"version": VERSION}]


def end_sessions(postgres: PostgresServer) -> None:
    """End every session that holds a lock or writes, as a restart of the server does."""
    postgres.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")


def fail_without_connection(settings: Settings, postgres: PostgresServer) -> None:
    with Locks(settings, "me").hold("build"):
        end_sessions(postgres)
        raise TerminalError("the gate")


def test_a_lock_whose_connection_was_lost_is_an_error(on_postgres: Settings, postgres: PostgresServer) -> None:
    with pytest.raises(LockLostError, match="was lost while this process held build, publish, so another one may"):
        with Locks(on_postgres, "me").hold("build", "publish"):
            end_sessions(postgres)
    # what went wrong in the block says more
    with pytest.raises(TerminalError, match="^the gate$"):
        fail_without_connection(on_postgres, postgres)
    with Locks(on_postgres, "me").hold("build"):
        pass


def test_machines_share_locks_and_platforms_of_one_database_do_not(
    on_postgres: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    postgres.execute("create schema if not exists another")
    another = Settings.load(ops_url=postgres.url("another"))
    with Locks(on_postgres, "-- */ 100 % '; drop table runs").hold("build"), Locks(another, "me").hold("build"):
        code = "from data_stack.locks import Locks; from data_stack.settings import Settings\n"
        code += "Locks(Settings.load(), 'x').hold('build').__enter__()"
        machine = os.environ | {"DATA_DIR": str(tmp_path / "another machine")}
        refused = subprocess.run([sys.executable, "-c", code], env=machine, capture_output=True, text=True)
        assert f"build is in use by -- */ 100 % '; drop table runs (pid {os.getpid()} on " in refused.stderr


@pytest.fixture
def wrong_urls(postgres: PostgresServer) -> dict[str, str]:
    """What OPS_URL can be by mistake, and what is said about it."""
    return {
        postgres.url(password=f"{PASSWORD}x"): "cannot be reached: .*password authentication failed",
        postgres.url().replace(f":{postgres.port}/", ":1/"): "cannot be reached: .*[Cc]onnection refused",
        postgres.url().replace(f":{postgres.port}/", f":{PASSWORD}/"): "OPS_URL is no URL of PostgreSQL",
        f"mysql://me:{PASSWORD}@localhost/x": "setting OPS_URL: Value error, must be sqlite, or begin with postgresql",
    }


def test_no_message_has_the_password(
    wrong_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for url, message in wrong_urls.items():
        monkeypatch.setenv("OPS_URL", url)
        assert execute(["--debug", "status"]) > 0
        shown = " ".join("".join(capsys.readouterr()).split())
        assert re.search(message, shown), shown
        assert PASSWORD not in shown
        assert "se%40cret" not in shown
    (url, *_) = wrong_urls
    assert PASSWORD not in repr(Settings.load(ops_url=url))
    # what a later libpq may say
    assert f"{_unreachable(url, psycopg.OperationalError(f'no {PASSWORD}x'))}".count("***") == 1


def test_without_the_driver_the_setting_says_how_to_install_it(on_postgres: Settings) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from orchestration.cli.app import execute; sys.exit(execute(['status']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.split("; ")[-1].split()) == (2, ["run", "`make", "setup-postgres`"])


def end_while_writing(ops: Ops, postgres: PostgresServer) -> None:
    with ops.store.transaction() as session:
        session.execute("insert into pin values (default, 1, 'p', null, 'now', 'half')")
        end_sessions(postgres)


def test_a_server_that_ends_in_the_middle_is_reported(on_postgres: Settings, postgres: PostgresServer) -> None:
    ops = Ops(on_postgres)
    with pytest.raises(TransientError, match="cannot be reached: .*terminat"):
        end_while_writing(ops, postgres)
    # the connection that is lost is not used again
    assert ops.query("select * from pin") == []


def test_a_killed_writer_leaves_neither_a_lock_nor_half_a_change(on_postgres: Settings) -> None:
    ops = Ops(on_postgres)
    code = (
        "import sys, time; from data_stack.ops import Ops; from data_stack.settings import Settings\n"
        "from data_stack.locks import Locks\n"
        "settings = Settings.load(); ops = Ops(settings)\n"
        "with Locks(settings, 'run 42').hold('publish'), ops.store.transaction() as session:\n"
        "    session.execute(\"insert into pin values (default, 1, 'p', null, 'now', 'half')\")\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(LockHeldError, match=f"publish is in use by run 42 .pid {child.pid} on "):
        with Locks(on_postgres, "me").hold("publish"):
            pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    with Locks(on_postgres, "me").hold("publish", wait_seconds=5):
        ops.record_pin("p1", None, "whole")
    assert [row["reason"] for row in ops.query("select reason from pin")] == ["whole"]
