"""The DAG as it is imported: light, with the tasks and edges that follow from the registry."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from parsed_project import skip_unit_tests
from providers import Serve
from sources.bike.provider import month_of_rides, ride, write_zip
from sources.transactions.provider import bank_row, write_export
from warehouse_rows import count_rows
from webhook_server import Webhook

from data_stack.ops import Ops
from data_stack.registry import SOURCES, source_names
from data_stack.settings import PROJECT_ROOT, Settings
from dlt_pipeline.sample.provider import Fault, SampleProvider
from orchestration.cli.airflow import airflow_environment
from orchestration.cli.app import execute

DAGS = PROJECT_ROOT / "airflow" / "dags"

# in a process of its own: Airflow sets up logging and a home when it is imported
DESCRIBE = """
import json, sys, time
import airflow.sdk
before = time.process_time()
sys.path.insert(0, sys.argv[1])
import data_stack.registry as registry
registry.SOURCES += tuple(registry.Source(name, name, "t", "k", ("k",), "f", "d") for name in sys.argv[2:])
import bike_weather_dag
cpu_seconds = time.process_time() - before
dag = bike_weather_dag.bike_weather_dag()
print("DAG" + json.dumps({
    "cpu_seconds": cpu_seconds,
    "modules": sorted(sys.modules),
    "dag_id": dag.dag_id,
    "max_active_runs": dag.max_active_runs,
    "catchup": dag.catchup,
    "doc": dag.doc_md,
    "schedule": [type(dag.timetable).__name__, dag.timetable.expression, str(dag.timetable.timezone)],
    "timeout": dag.dagrun_timeout.total_seconds(),
    "params": {name: [dag.params.get_param(name).value, dag.params.get_param(name).schema] for name in dag.params},
    "tasks": {task.task_id: {
        "after": sorted(task.upstream_task_ids),
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "policy": task.retry_policy.serialize(),
        "timeout": task.execution_timeout.total_seconds(),
        "rule": str(task.trigger_rule.value),
        "group": task.task_group.group_id if task.task_group else None,
        "outlets": [outlet.name for outlet in task.outlets],
        "failure": len(task.on_failure_callback),
    } for task in dag.tasks},
}))
"""


def run_script(script: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script that imports the DAG, with an Airflow of its own."""
    environment = os.environ | {"AIRFLOW_HOME": str(home)}
    command = [sys.executable, "-c", script, str(DAGS), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def describe(home: Path, *more_sources: str) -> dict[str, Any]:
    done = run_script(DESCRIBE, home, *more_sources)
    line = next(line for line in done.stdout.splitlines() if line.startswith("DAG"))
    found: dict[str, Any] = json.loads(line.removeprefix("DAG"))
    return found


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return describe(tmp_path_factory.mktemp("home"))


def test_the_file_imports_nothing_heavy(described: dict[str, Any]) -> None:
    heavy = ("dlt", "dbt", "great_expectations", "duckdb", "pandas", "polars", "pyarrow", "orchestration.steps")
    assert [name for name in heavy if name in described["modules"]] == []
    assert described["cpu_seconds"] < 1


def test_every_source_is_loaded_and_checked_before_anything_is_built(described: dict[str, Any]) -> None:
    after = {name: task["after"] for name, task in described["tasks"].items()}
    names = source_names()
    assert after == (
        {"choose_window": []}
        | {f"ingest_{name}": ["choose_window"] for name in names}
        | {f"validate_{name}": ["choose_window", f"ingest_{name}"] for name in names}
        | {
            "dbt_build": ["choose_window", *sorted(f"validate_{name}" for name in names)],
            "publish": ["dbt_build"],
            "docs": ["publish"],
            "report_held_back": ["docs"],
        }
    )


def test_every_source_has_a_group(described: dict[str, Any]) -> None:
    groups = {name: task["group"] for name, task in described["tasks"].items() if task["group"]}
    assert groups == {f"{step}_{name}": name for name in source_names() for step in ("ingest", "validate")}


def test_a_source_of_the_registry_gets_its_tasks(tmp_path: Path) -> None:
    tasks = describe(tmp_path, "tides")["tasks"]
    assert tasks["ingest_tides"]["after"] == ["choose_window"]
    assert tasks["validate_tides"]["after"] == ["choose_window", "ingest_tides"]
    assert {tasks["ingest_tides"]["group"], tasks["validate_tides"]["group"]} == {"tides"}
    assert "validate_tides" in tasks["dbt_build"]["after"]


def test_only_the_failure_of_a_source_is_passed_over(described: dict[str, Any]) -> None:
    rules = {name: task["rule"] for name, task in described["tasks"].items() if task["rule"] != "all_success"}
    passing = {"dbt_build", *(f"validate_{name}" for name in source_names())}
    # docs also follow a publish that was skipped because of a pin, and the report skipped docs, but never a failure
    assert rules == dict.fromkeys(passing, "all_done_min_one_success") | dict.fromkeys(
        ("docs", "report_held_back"), "none_failed"
    )


def test_only_what_may_pass_by_itself_is_tried_again(described: dict[str, Any]) -> None:
    recorded_by_the_report = {"report_held_back"} | {
        f"{step}_{name}" for step in ("ingest", "validate") for name in source_names()
    }
    for name, task in described["tasks"].items():
        assert (task["retries"], task["backoff"]) == (0 if name == "report_held_back" else 3, 2), name
        assert task["policy"]["default"] == "fail", name
        assert [(rule["exception"], rule["action"]) for rule in task["policy"]["rules"]] == [
            ("data_stack.errors.TransientError", "retry")
        ], name
        assert 0 < task["timeout"] <= 7200, name
        assert task["failure"] == (name not in recorded_by_the_report), name


def test_runs_follow_each_other_and_each_has_the_end_of_a_month(described: dict[str, Any]) -> None:
    assert described["dag_id"] == "bike_weather_dag"
    assert (described["max_active_runs"], described["catchup"]) == (1, False)
    kind, expression, zone = described["schedule"]
    assert (kind, expression) == ("CronDataIntervalTimetable", "0 6 12 * *")
    assert "New_York" in zone
    assert described["timeout"] == 4 * 3600
    assert "start_date" in described["doc"]
    assert all(source.title in described["doc"] for source in SOURCES)


def test_params_are_days_or_nothing(described: dict[str, Any]) -> None:
    for name in ("start_date", "end_date"):
        value, schema = described["params"][name]
        assert value is None
        assert (schema["type"], schema["format"]) == (["null", "string"], "date")


def test_only_publish_updates_the_asset(described: dict[str, Any]) -> None:
    outlets = {name: task["outlets"] for name, task in described["tasks"].items() if task["outlets"]}
    assert outlets == {"publish": ["published_warehouse"]}


FAILING_DOCS = """
import sys
sys.path.insert(0, sys.argv[1])
import bike_weather_dag as module
from airflow.sdk.exceptions import AirflowSkipException
from orchestration import steps

def fail(run):
    raise ValueError("Canary Bakery")

steps.docs = fail
module.get_current_context = lambda: {"run_id": "scheduled"}
try:
    module.bike_weather_dag().get_task("docs").python_callable()
except AirflowSkipException as error:
    print("SKIPPED", error, "cause:", error.__cause__)
"""


def test_failed_documentation_does_not_fail_a_published_run(tmp_path: Path) -> None:
    done = run_script(FAILING_DOCS, tmp_path)
    assert "SKIPPED the documentation was not generated (unexpected ValueError); `data-stack docs`" in done.stdout
    assert "cause: None" in done.stdout
    assert "Canary" not in done.stdout + done.stderr


FAILING_TASKS = """
import sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import bike_weather_dag as module
from data_stack.errors import HeldBackError, TerminalError
from data_stack.ops import Ops
from data_stack.settings import Settings

module.get_current_context = lambda: {"run_id": "scheduled"}
ops = Ops(Settings.load())

def show(what):
    (run,) = ops.query("select status, error from runs")
    print(what, run["status"], run["error"], sep="|", end="|")

def report(**states):
    ops.begin_run("scheduled", "bike_weather_dag", [])
    try:
        ti = SimpleNamespace(get_task_states=lambda **_: {"scheduled": states})
        module.bike_weather_dag().get_task("report_held_back").python_callable("scheduled", ti)
    except HeldBackError as error:
        print(error, end="|")
    show("REPORT")

report(ingest_bike="success")
report(ingest_bike="failed", validate_bike="success")
ops.decide_load("bike", "17.1", "failed", "bike: load 17.1 failed its checks")
ops.begin_run("scheduled", "bike_weather_dag", [])
task = SimpleNamespace(task_id="dbt_build")
module._record_failure({"run_id": "scheduled", "task_instance": task, "exception": TerminalError("dbt: a failed")})
show("BUILD")
"""


def test_a_killed_task_and_a_failed_build_are_recorded_as_well(tmp_path: Path) -> None:
    done = run_script(FAILING_TASKS, tmp_path)
    found = done.stdout[done.stdout.index("REPORT") :].split("|")
    killed = "failed tasks: ingest_bike; the log of each says more"
    assert found[:7] == ["REPORT", "succeeded", "None", killed, "REPORT", "failed", killed]
    assert found[7:9] == ["BUILD", "failed"]
    build, held, reason = found[9].splitlines()
    assert (build, held) == ("dbt_build: dbt: a failed", "held back: bike; what was published of them before stays")
    assert "UTC: load 17.1 failed its checks; fix the data" in reason


RUN = """
import json, sys
from datetime import timedelta
sys.path.insert(0, sys.argv[1])
import bike_weather_dag
dag = bike_weather_dag.bike_weather_dag()
for task in dag.tasks:
    task.retry_delay = timedelta(0)
run = dag.test(run_conf=json.loads(sys.argv[2]))
tasks = {task.task_id: [task.state, task.try_number] for task in run.get_task_instances()}
print("RUN" + json.dumps({"run_id": run.run_id, "state": run.state, "tasks": tasks}))
"""

JANUARY = {"start_date": "2024-01-01", "end_date": "2024-01-31"}
KEY = "JC-202401-citibike-tripdata.csv.zip"
RIDES = month_of_rides(date(2024, 1, 1), 310)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as server:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", server.url)
        yield server


@pytest.fixture
def provider(
    parsed_settings: Settings, bucket: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SampleProvider:
    """A month of rides, its weather, and an export; Airflow has its database."""
    skip_unit_tests(parsed_settings)
    write_zip(bucket, KEY, RIDES)
    monkeypatch.setenv("TRANSACTIONS_PATH", str(write_expenses(tmp_path, "2024-01", 30)))
    started = serve()
    command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
    subprocess.run(command, env=os.environ | airflow_environment(parsed_settings), check=True, capture_output=True)
    return started


def write_expenses(folder: Path, month: str, days: int) -> Path:
    lines = [bank_row(f"{month}-{day:02}", "Shop", "2.50") for day in range(1, days + 1)]
    return write_export(folder / "exports", f"{month}.csv", lines).parent


def run_dag(settings: Settings, params: dict[str, str]) -> dict[str, Any]:
    """A whole run in one process, as `airflow dags test` does it, with retries at once."""
    environment = os.environ | airflow_environment(settings)
    command = [sys.executable, "-c", RUN, str(DAGS), json.dumps(params)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RUN"))
    found: dict[str, Any] = json.loads(line.removeprefix("RUN"))
    return found | {"log": done.stdout + done.stderr}


def read_run(settings: Settings, run_id: str) -> dict[str, Any]:
    (run,) = Ops(settings).query("select * from runs where run_id = ?", [run_id])
    return run


@pytest.mark.slow
def test_one_red_and_one_unreachable_source_stop_no_other(
    parsed_settings: Settings, bucket: Path, provider: SampleProvider, webhook: Webhook, tmp_path: Path
) -> None:
    settings = parsed_settings
    assert execute(["run", "--from", JANUARY["start_date"], "--to", JANUARY["end_date"]]) == 0
    before = count_rows(settings)
    assert before == before | {"bike": 310, "weather": 768, "transactions": 30}
    assert webhook.told == []

    # more than a share that a month may have
    corrupted = [ride(number, "2024-01-10 12:00:00", "2024-01-10 09:00:00") for number in range(1, 31)]
    write_zip(bucket, KEY, [*corrupted, *RIDES[30:]])
    write_zip(bucket, KEY.replace("01-", "02-"), month_of_rides(date(2024, 2, 1), 290, first=1000))
    write_expenses(tmp_path, "2024-02", 5)
    provider.faults = lambda path, *_: Fault.status(500) if path == "/weather/v1/archive" else None
    run = run_dag(settings, JANUARY | {"end_date": "2024-02-29"})
    assert run["state"] == "failed"
    assert run["tasks"] == {task_id: ["success", 1] for task_id in run["tasks"]} | {
        "ingest_weather": ["failed", 4],
        "validate_bike": ["failed", 1],
        "report_held_back": ["failed", 1],
    }
    after = count_rows(settings)
    assert after == after | {"bike": 310, "weather": 768, "transactions": 35}
    recorded = read_run(settings, run["run_id"])
    assert recorded["status"] == "failed"
    for words in (
        "held back: weather, bike; what was published of them before stays",
        "end_before_start_share",
        "answered 500",
        "data-stack accept",
        "failed tasks: ingest_weather, validate_bike; the log of each says more",
    ):
        assert words in recorded["error"]
        assert words in run["log"]
    (told,) = webhook.told
    assert recorded["error"] in told["text"]
