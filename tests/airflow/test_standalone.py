"""A real Airflow, started as a user starts it: triggered, failed, killed, stopped. The tests share one, in order."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow_server import AirflowServer, wait_for
from providers import make_samples
from sources.bike.provider import month_of_rides, ride, write_zip
from sources.transactions.provider import bank_row, write_export
from warehouse_rows import query_warehouse
from webhook_server import Webhook

from data_stack.ops import Ops
from data_stack.settings import Settings
from dlt_pipeline.sample.provider import SampleProvider

pytestmark = pytest.mark.slow

KEY = "JC-2024{:02}-citibike-tripdata.csv.zip"
MANY = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Path:
    write_zip(folder / "bucket", KEY.format(1), month_of_rides(date(2024, 1, 1), 310))
    write_zip(folder / "bucket", KEY.format(2), month_of_rides(date(2024, 2, 1), 290, first=1000))
    return folder / "bucket"


@pytest.fixture(scope="module")
def provider(bucket: Path) -> Iterator[SampleProvider]:
    with SampleProvider(make_samples(bucket.parent)) as provider:
        yield provider


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture(scope="module")
def variables(folder: Path, provider: SampleProvider, webhook: Webhook) -> dict[str, str]:
    rows = [bank_row(f"2024-01-{day:02}", "Shop", "2.50") for day in range(1, 31)]
    exports = write_export(folder / "exports", "a.csv", rows).parent
    return provider.environment | {
        "TRANSACTIONS_PATH": str(exports),
        "ALERT_WEBHOOK_URL": webhook.url,
        "HTTP_BACKOFF_SECONDS": "0",
    }


@pytest.fixture(scope="module")
def server(folder: Path, variables: dict[str, str]) -> Iterator[AirflowServer]:
    running = AirflowServer(folder / "data", variables)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()
        running.kill()


@pytest.fixture
def published(server: AirflowServer) -> Settings:
    return Settings.load(data_dir=server.data_dir)


def fingerprint(settings: Settings) -> str:
    return hashlib.sha256(settings.warehouse_file.read_bytes()).hexdigest()


def recorded(settings: Settings, run_id: str) -> dict[str, Any]:
    (run,) = Ops(settings).query("select * from runs where run_id = ?", [run_id])
    return run


def test_it_starts_no_run_by_itself(server: AirflowServer) -> None:
    assert "starting Airflow on live data" in server.output.read_text()
    assert server.runs() == []


def test_it_listens_on_loopback_only(server: AirflowServer) -> None:
    listening = {
        connection.laddr
        for process in server.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", server.port) in listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_a_plain_trigger_loads_the_latest_month_and_publishes(server: AirflowServer, published: Settings) -> None:
    run_id = server.trigger()
    assert server.wait_for_run(run_id) == "success"
    assert query_warehouse(published, "select count(*), min(date_local), max(date_local) from core.fct_trips") == [
        (290, date(2024, 2, 1), date(2024, 2, 29))
    ]
    assert query_warehouse(published, "select count(*) from core.fct_transactions") == [(30,)]
    run = recorded(published, run_id)
    # no day was given: each source has loaded its own default
    assert (run["status"], run["window_start"], run["window_end"]) == ("succeeded", None, None)
    log = server.log(run_id, "report_held_back")
    for words in (
        "ingest bike: 1 fetched, 0 loaded before; 290 rows read: 290 loaded, 0 rejected, 0 duplicates",
        "bike: 290 rows through 2024-02-29",
    ):
        assert words in log
    assert (published.docs_dir / "dbt" / "index.html").exists()
    (event,) = server.get("assets/events")["asset_events"]
    assert event["extra"]["publication_id"] in log


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells the proportional set size")
def test_its_memory_fits_a_laptop(server: AirflowServer) -> None:
    assert 0 < server.memory_mb() < 1500


def test_days_of_a_bad_range_are_refused_before_any_work(server: AirflowServer, published: Settings) -> None:
    before = fingerprint(published)
    run_id = server.trigger("""--conf '{"start_date": "2024-02-01", "end_date": "2024-01-01"}'""")
    assert server.wait_for_run(run_id) == "failed"
    tasks = server.tasks(run_id)
    assert (tasks["choose_window"]["state"], tasks["choose_window"]["try_number"]) == ("failed", 1)
    assert {task["state"] for name, task in tasks.items() if name != "choose_window"} == {"upstream_failed"}
    assert "the window starts on 2024-02-01 and ends before that" in recorded(published, run_id)["error"]
    assert fingerprint(published) == before
    refused = server.shell("""airflow dags trigger bike_weather_dag --conf '{"start_date": "soon"}'""")
    assert refused.returncode != 0


def test_a_task_killed_in_mid_load_is_tried_again_and_nothing_is_lost(
    server: AirflowServer, bucket: Path, published: Settings
) -> None:
    write_zip(bucket, KEY.format(3), month_of_rides(date(2024, 3, 1), MANY, first=10_000))
    packages = published.dlt_state_dir("bike") / "bike" / "load" / "normalized"

    def loading() -> int | None:
        try:
            return next(packages.glob("*/started_jobs/*"), None) and _holder(published)
        except FileNotFoundError:  # folders come and go
            return None

    run_id = server.trigger()
    pid = wait_for(loading, "load of dlt that is under way", pause=0.002)
    os.kill(pid, signal.SIGKILL)
    assert server.wait_for_run(run_id) == "success"
    assert server.tasks(run_id)["ingest_bike"]["try_number"] == 2
    assert query_warehouse(published, "select count(*), count(distinct ride_id) from core.fct_trips") == [
        (MANY + 290, MANY + 290)
    ]
    assert recorded(published, run_id)["status"] == "succeeded"


def _holder(settings: Settings) -> int | None:
    """The process that holds the raw file: the task's own."""
    try:
        return int(json.loads((settings.locks_dir / "raw-bike.lock").read_text())["pid"])
    except (OSError, ValueError):
        return None


def test_corrupted_rows_fail_the_run_and_hold_back_their_source(
    server: AirflowServer, bucket: Path, published: Settings, webhook: Webhook
) -> None:
    webhook.told.clear()
    corrupted = [ride(999_999 + n, "2024-04-10 12:00:00", "2024-04-10 09:00:00") for n in range(7)]
    write_zip(bucket, KEY.format(4), [*month_of_rides(date(2024, 4, 1), 300, first=100_000), *corrupted])
    run_id = server.trigger()
    assert server.wait_for_run(run_id) == "failed"
    tasks = server.tasks(run_id)
    assert {name for name, task in tasks.items() if task["state"] != "success"} == {
        "validate_bike",
        "report_held_back",
    }
    # a red gate stays red, so it is not tried again
    assert tasks["validate_bike"]["try_number"] == 1
    run = recorded(published, run_id)
    assert (run["status"], "end_before_start_share" in run["error"]) == ("failed", True)
    assert "critical" in server.log(run_id, "validate_bike")
    assert "held back: bike; what was published" in server.log(run_id, "report_held_back")
    assert query_warehouse(published, "select count(*) from core.fct_trips") == [(MANY + 290,)]
    assert query_warehouse(
        published, "select run_id from ops.publications join ops.publication using (publication_id)"
    ) == [(run_id,)]
    wait_for(lambda: webhook.told, "alert")
    (told,) = webhook.told
    assert run_id in told["text"]
    assert "on end_before_start_share: 1 of 1 fail, for example 2024-04" in told["text"]


def test_a_second_one_on_the_port_is_refused(server: AirflowServer, folder: Path) -> None:
    environment = os.environ | {"DATA_DIR": str(folder / "other"), "AIRFLOW_PORT": str(server.port)}
    command = [str(Path(sys.executable).parent / "data-stack"), "airflow", "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"port {server.port} of 127.0.0.1 is taken" in done.stderr
    assert "AIRFLOW_PORT" in done.stderr


def test_ctrl_c_leaves_nothing_behind(server: AirflowServer) -> None:
    processes = server.processes()
    assert len(processes) > 5
    assert server.stop() == 0
    assert [process for process in processes if process.is_running()] == []
    assert "Airflow has stopped" in server.output.read_text()
