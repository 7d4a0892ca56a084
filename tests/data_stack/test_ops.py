"""Run records: failures included, keys and counts only, gate states."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from records import change_records

from data_stack.errors import TerminalError, UsageError
from data_stack.ops import ExpectationRecord, LoadRecord, Ops
from data_stack.record_store import FILE
from data_stack.settings import Settings


@pytest.fixture
def ops(on_each_store: Settings) -> Ops:
    return Ops(on_each_store)


def test_a_run_and_its_steps_are_recorded(ops: Ops) -> None:
    with ops.run("run", ["bike"], ("2024-01-01", "2024-01-31")) as run_id, ops.step(run_id, "ingest", "bike") as record:
        record.rows, record.detail = 7, "seven"
    (run,) = ops.query("select * from runs")
    assert (run["run_id"], run["status"], run["window_start"], run["error"]) == (
        run_id,
        "succeeded",
        "2024-01-01",
        None,
    )
    (step,) = ops.query("select step, source, status, rows, detail, seconds from steps")
    assert (step["step"], step["source"], step["status"], step["rows"], step["detail"]) == (
        "ingest",
        "bike",
        "succeeded",
        7,
        "seven",
    )
    assert 0 <= step["seconds"] < 5


def test_a_failure_is_recorded_in_our_words(ops: Ops) -> None:
    with pytest.raises(TerminalError), ops.run("run", []) as run_id, ops.step(run_id, "ingest"):
        raise TerminalError("the month is missing")
    assert ops.query("select status, error from runs") == [{"status": "failed", "error": "the month is missing"}]
    assert ops.query("select status, detail from steps") == [{"status": "failed", "detail": "the month is missing"}]


def test_the_text_of_a_foreign_error_is_not_recorded(ops: Ops) -> None:
    with pytest.raises(ValueError), ops.run("run", []):
        raise ValueError("could not convert 'Grandma 1,000.00'")
    assert ops.query("select error from runs") == [{"error": "unexpected ValueError"}]


def test_a_killed_run_is_recognised(ops: Ops) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    with ops.run("run", []) as run_id:
        change_records(ops, "update runs set pid = ? where run_id = ?", [(child.pid, run_id)])
        ops.mark_interrupted_runs()
        assert ops.query("select status from runs") == [{"status": "interrupted"}]
    with ops.run("run", []) as run_id:
        ops.mark_interrupted_runs()
        assert ops.query("select status, pid from runs where run_id = ?", [run_id]) == [
            {"status": "running", "pid": os.getpid()}
        ]


def test_whoever_only_reads_sees_a_killed_run_and_marks_nothing(ops: Ops) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    with ops.run("run", []) as run_id:
        change_records(ops, "update runs set pid = ? where run_id = ?", [(child.pid, run_id)])
        assert [(row["run_id"], row["status"]) for row in ops.last_runs(5)] == [(run_id, "interrupted")]
        assert ops.query("select status from runs") == [{"status": "running"}]


def test_the_last_runs_come_latest_first(ops: Ops) -> None:
    with ops.run("run", []) as first:
        pass
    with pytest.raises(TerminalError), ops.run("publish", []) as second:
        raise TerminalError("there is no complete build")
    assert [(row["run_id"], row["status"]) for row in ops.last_runs(5)] == [(second, "failed"), (first, "succeeded")]
    assert [row["run_id"] for row in ops.last_runs(1)] == [second]


def test_whoever_only_reads_creates_no_store(on_each_store: Settings) -> None:
    assert Ops.existing(on_each_store) is None
    assert not on_each_store.ops_dir.exists()
    Ops(on_each_store)
    assert Ops.existing(on_each_store) is not None


def test_only_passed_and_accepted_loads_are_decided(ops: Ops) -> None:
    for load_id in ("1", "2", "3", "4"):
        ops.record_load("run", LoadRecord("bike", load_id, 10, 9, 1, 0))
    ops.decide_load("bike", "1", "passed")
    ops.decide_load("bike", "2", "failed")
    assert ops.accept_load("3", "checked by hand") == "bike"
    assert ops.passed_loads("bike") == {"1", "3"}
    (accepted,) = ops.query("select reason, decided_by, rows_loaded from loads where load_id = '3'")
    assert (accepted["reason"], accepted["rows_loaded"]) == ("checked by hand", 9)
    assert accepted["decided_by"] not in ("", "gate")


def test_what_needs_no_acceptance_is_refused(ops: Ops) -> None:
    ops.record_load("run", LoadRecord("bike", "1", 1, 1, 0, 0))
    ops.decide_load("bike", "1", "passed")
    with pytest.raises(UsageError, match="load 1 is already passed"):
        ops.accept_load("1", "why not")
    with pytest.raises(UsageError, match="there is no load '9'"):
        ops.accept_load("9", "why not")


def test_a_decision_works_for_a_load_that_ops_does_not_know(ops: Ops) -> None:
    ops.decide_load("bike", "7", "passed")
    assert ops.passed_loads("bike") == {"7"}


def test_validations_keep_counts_and_keys(ops: Ops) -> None:
    outcome = ExpectationRecord("NotBeNull", "ended_at", "critical", False, 10, 2, ["a", "b"], None, "a ride ends")
    ops.record_validations("run", "bike", "1", [outcome])
    (row,) = ops.query("select expectation, column_name, success, checked, unexpected, example_keys from validations")
    assert tuple(row.values()) == ("NotBeNull", "ended_at", 0, 10, 2, '["a", "b"]')


def test_many_processes_write_at_once(ops: Ops) -> None:
    code = (
        "from data_stack.ops import Ops; from data_stack.settings import Settings\n"
        "ops = Ops(Settings.load())\n"
        "for _ in range(20):\n"
        "    with ops.run('run', []) as run_id, ops.step(run_id, 'ingest'): pass\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert ops.query("select count(*) as n from runs where status = 'succeeded'") == [{"n": 80}]
    assert ops.query("select count(*) as n from steps") == [{"n": 80}]


def test_a_run_of_several_processes_ends_when_somebody_says_so(ops: Ops) -> None:
    ops.begin_run("scheduled", "bike_weather_dag", ["bike"])
    ops.begin_run("scheduled", "bike_weather_dag", ["bike"], ("2024-01-01", "2024-01-31"))
    ops.mark_interrupted_runs()
    (run,) = ops.query("select status, window_end, error from runs")
    assert run == {"status": "running", "window_end": "2024-01-31", "error": None}
    ops.end_run("scheduled", "failed", "validate_bike: the gate")
    ops.end_run("scheduled", "succeeded")
    (run,) = ops.query("select status, error from runs")
    assert run == {"status": "succeeded", "error": None}


def test_a_folder_that_cannot_be_written_is_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = Ops(settings)
    with ops.run("run", ["bike"]):
        pass
    # as a read-only mount answers; root may write anywhere else
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = {path.name: path.stat().st_mtime_ns for path in settings.ops_dir.iterdir()}
    reader = Ops(settings)
    assert [row["status"] for row in reader.query("select status from runs")] == ["succeeded"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.begin_run("another", "run", ["bike"])
    assert {path.name: path.stat().st_mtime_ns for path in settings.ops_dir.iterdir()} == before
    # a writer that is at work has its last records in its log
    with closing(sqlite3.connect(settings.ops_dir / FILE)) as at_work:
        at_work.execute("select 1 from runs").fetchall()
        ops.begin_run("under way", "run", ["bike"])
        assert [row["run_id"] for row in reader.query("select run_id from runs where status = 'running'")] == [
            "under way"
        ]
