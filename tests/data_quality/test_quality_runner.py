"""The gate's states, messages and sums, on a source that only tests register."""

import os
import subprocess
import sys
from collections.abc import Callable

import duckdb
import great_expectations.expectations as gxe
import pytest
from gate_cases import LOAD
from source_parts import find_parts

from data_quality.check import Check, critical, warning
from data_quality.evaluate import Evaluator
from data_quality.runner import GateReport, format_gate_failures, validate
from data_stack.errors import TerminalError
from data_stack.loads import find_pending_loads
from data_stack.ops import LoadRecord, Ops
from data_stack.registry import SOURCES, Source, source_names
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
NO_GUESTS = "update raw.visits set guests = 0 where id = 'v7'"


@pytest.fixture
def ops(settings: Settings) -> Ops:
    """Records in which ingestion has entered the load of the visits."""
    ops = Ops(settings)
    ops.record_load("ingest", LoadRecord("visits", LOAD, 20, 20, 0, 0))
    return ops


def state(ops: Ops, load_id: str = LOAD) -> str:
    return str(ops.query("select state from loads where load_id = ?", [load_id])[0]["state"])


@pytest.mark.integration
def test_clean_loads_of_all_sources_pass_in_one_call(dirty: Dirty, settings: Settings) -> None:
    ops = Ops(settings)
    loads = [(name, load_id) for name, part in find_parts("clean").items() for load_id in part.LOADS]
    for name, load_id in loads:
        dirty(name, "")
        ops.record_load("ingest", LoadRecord(name, load_id, 1, 1, 0, 0))
    reports = [report for source in SOURCES for report in validate(settings, ops, "run", source)]
    assert [(r.source_name, r.load_id) for r in reports] == loads
    assert all(r.passed and r.failures == [] and r.checked > 0 for r in reports)
    recorded = ops.query("select source, load_id, count(*) as n, min(success) as ok from validations group by 1, 2")
    assert {(row["source"], row["load_id"]): row["n"] for row in recorded} == {
        (r.source_name, r.load_id): r.checked for r in reports
    }
    assert all(row["ok"] for row in recorded)
    assert [row["state"] for row in ops.query("select state from loads")] == ["passed"] * len(loads)
    assert not any(validate(settings, ops, "again", source) for source in SOURCES)


def test_a_failed_warning_lets_the_load_pass_and_is_recorded(
    visits: Source, dirty: Dirty, settings: Settings, ops: Ops
) -> None:
    dirty("visits", "update raw.visits set guests = 51 where id = 'v7'")
    (report,) = validate(settings, ops, "run", visits)
    assert report.passed
    assert [failure.column for failure in report.failures] == ["is_crowd"]
    assert state(ops) == "passed"
    assert find_pending_loads(settings, ops, visits) == []
    (row,) = ops.query("select * from validations where not success")
    assert (row["severity"], row["checked"], row["unexpected"]) == ("warning", 20, 1)
    assert row["example_keys"] == '["v7"]'


def test_a_failed_gate_fails_again_and_says_why(visits: Source, dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("visits", NO_GUESTS)
    first, second = (format_gate_failures(validate(settings, ops, run, visits)) for run in ("one", "two"))
    assert first == second
    assert first == (
        "visits: load 2.0 failed its checks (2 expectations, failed: 1 critical, 0 warning)\n"
        "  visits: critical: expect_column_values_to_be_between on guests: 1 of 20 fail, for example v7"
        " (observed: 0 to 2). A visit has guests.\n"
        "  fix the data and load it again, with the same days, or accept the load with "
        '`data-stack accept 2.0 --reason "..."`'
    )
    assert state(ops) == "failed"
    assert [row["n"] for row in ops.query("select count(*) as n from validations group by run_id")] == [2, 2]


def test_critical_failures_come_before_warnings(visits: Source, dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("visits", "update raw.visits set guests = 101 where id = 'v7'")
    (report,) = validate(settings, ops, "run", visits)
    assert [(failure.severity, failure.column) for failure in report.failures] == [
        ("critical", "guests"),
        ("warning", "is_crowd"),
    ]
    assert not report.passed


def test_a_fixed_load_passes_and_the_failed_one_is_superseded(
    visits: Source, dirty: Dirty, settings: Settings, ops: Ops
) -> None:
    dirty("visits", NO_GUESTS)
    validate(settings, ops, "red", visits)
    dirty(
        "visits",
        "insert into raw.visits select * replace (2 as guests, '3.0' as _dlt_load_id) from raw.visits;"
        "insert into raw._dlt_loads select '3.0', schema_name, status, inserted_at, '' from raw._dlt_loads",
    )
    ops.record_load("ingest", LoadRecord("visits", "3.0", 20, 20, 0, 0))
    (report,) = validate(settings, ops, "fixed", visits)
    assert (report.load_id, report.passed) == ("3.0", True)
    assert (state(ops), state(ops, "3.0")) == ("superseded", "passed")


def test_an_accepted_load_is_left_alone_and_stays_on_record(
    visits: Source, dirty: Dirty, settings: Settings, ops: Ops
) -> None:
    dirty("visits", NO_GUESTS)
    validate(settings, ops, "red", visits)
    ops.accept_load(LOAD, "the provider confirms it")
    assert validate(settings, ops, "again", visits) == []
    (load,) = ops.query("select state, reason from loads")
    assert load == {"state": "accepted", "reason": "the provider confirms it"}
    assert ops.query("select count(*) as n from validations where not success") == [{"n": 1}]


def test_an_interrupted_load_is_refused(visits: Source, dirty: Dirty, settings: Settings, ops: Ops) -> None:
    dirty("visits", "delete from raw._dlt_loads")
    with pytest.raises(TerminalError, match="interrupted"):
        validate(settings, ops, "run", visits)
    assert state(ops) == "pending"


def test_the_raw_file_is_closed_afterwards(visits: Source, dirty: Dirty, settings: Settings, ops: Ops) -> None:
    validate(settings, ops, "run", visits)
    dirty("visits", "delete from raw.visits")


@pytest.mark.parametrize("batch_rows", [2, 3, 10])
def test_mostly_is_compared_with_the_sums(batch_rows: int) -> None:
    sql = (
        "select i::varchar as key, case when i < 2 then null else i end as n from range(10) as t(i) where $load_id = ''"
    )
    expectations = (
        critical(gxe.ExpectColumnValuesToNotBeNull, "n", "two of ten are null", mostly=0.8),
        warning(
            gxe.ExpectColumnValuesToBeBetween, "n", "one of the other eight is below three", min_value=3, mostly=0.875
        ),
        critical(gxe.ExpectColumnValuesToBeBetween, "n", "seven of eight are below nine", max_value=8, mostly=0.9),
    )
    tallies = Evaluator(batch_rows).evaluate(duckdb.connect(), [Check("rows", sql, expectations)], "")
    assert [(t.success, t.checked, t.unexpected) for t in tallies] == [(True, 10, 2), (True, 8, 1), (False, 8, 1)]
    assert tallies[2].example_keys == ["9"]


def test_what_cannot_be_evaluated_is_a_failed_critical_without_values(evaluator: Evaluator) -> None:
    sql = "select 'k' as key, 'Jane Roe' as name where $load_id = ''"
    expectations = (
        warning(gxe.ExpectColumnValuesToBeBetween, "name", "text against a number", min_value=1),
        warning(gxe.ExpectColumnValuesToNotBeNull, "absent", "a column that is not in the frame"),
        critical(gxe.ExpectColumnValuesToNotBeNull, "name", "one that works"),
    )
    records = [t.create_record() for t in evaluator.evaluate(duckdb.connect(), [Check("rows", sql, expectations)], "")]
    assert [(r.severity, r.success) for r in records] == [("critical", False), ("critical", False), ("critical", True)]
    assert records[0].reason == (
        "It could not be evaluated, as column name has the type str; correct the suite. text against a number"
    )
    assert "column absent is not in the frame" in records[1].reason
    assert "Jane" not in repr(records)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select key from nowhere where $load_id = ''", "Table with name nowhere does not exist"),
        (
            "select v as key, v::integer as n from (values ('Jane Roe')) as t(v) where $load_id = ''",
            "Conversion Error",
        ),
    ],
)
def test_a_frame_that_fails_is_a_failed_critical_without_values(evaluator: Evaluator, sql: str, message: str) -> None:
    check = Check("rows", sql, (warning(gxe.ExpectColumnValuesToNotBeNull, "n", "the reason"),))
    (record,) = [tally.create_record() for tally in evaluator.evaluate(duckdb.connect(), [check], "")]
    assert (record.severity, record.success) == ("critical", False)
    assert message in record.reason
    assert "Jane" not in record.reason


def test_a_load_that_passed_is_reported_too() -> None:
    assert format_gate_failures([GateReport("visits", "1.0", 31)]) == (
        "visits: load 1.0 passed (31 expectations, failed: 0 critical, 0 warning)"
    )


PROGRAM = """
import os, sys
from data_quality.runner import validate
from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings
settings = Settings.load(data_dir=sys.argv[1])
ops = Ops(settings)
reports = [report for source in SOURCES for report in validate(settings, ops, "run", source)]
"""


def _in_a_new_process(settings: Settings, code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GX_ANALYTICS_ENABLED"}
    command = [sys.executable, "-c", PROGRAM + code, str(settings.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def test_nothing_heavy_is_imported_before_there_is_a_load(settings: Settings) -> None:
    done = _in_a_new_process(
        settings, "print(reports, {'great_expectations', 'pandas', 'data_quality.check'} & set(sys.modules))"
    )
    assert done.stdout == "[] set()\n"


@pytest.mark.slow
@pytest.mark.parametrize("source_name", source_names()[:1])
def test_great_expectations_is_silent_and_sends_nothing(source_name: str, dirty: Dirty, settings: Settings) -> None:
    dirty(source_name, "")
    done = _in_a_new_process(settings, "print(bool(reports), os.environ['GX_ANALYTICS_ENABLED'])")
    assert (done.stdout, done.stderr) == ("True false\n", "")
