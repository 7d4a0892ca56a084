"""Kills one of two Celery workers in the middle of a load, and compares the rows with those of an undisturbed run.

Everything runs as processes on loopback: PostgreSQL, Redis, Airflow's API server, scheduler and DAG processor, two
workers, Flower, and a sample provider. The settings of Celery are those of docker-compose.yml. Prints what each worker
did, and exits with 1 if a published table differs. `make benchmark-workers` runs it, with the programs `redis-server`
and PostgreSQL's `initdb`.
"""

import json
import os
import re
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path

import duckdb
import psutil
import requests
import yaml

from data_stack.registry import source_names
from data_stack.settings import PROJECT_ROOT, Settings, folder_variables
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec, generate
from orchestration.cli.airflow import HOST, airflow_environment

# the servers and the client are those of the tests
sys.path[:0] = [str(PROJECT_ROOT / "tests"), str(PROJECT_ROOT / "tests" / "airflow")]
from airflow_server import DAG_ID, AirflowClient, wait_for  # noqa: E402
from ports import find_free_port  # noqa: E402
from postgres_server import PASSWORD, USER, find_programs, run_postgres  # noqa: E402

BIN = Path(sys.executable).parent
SPEC = SampleSpec(first_month=date(2024, 1, 1), last_month=date(2024, 2, 1), rides_per_day=1000)
WORKERS = ("worker-1", "worker-2")
# of a busy machine
RUN_SECONDS = 1800
# the message of Celery to the worker that executes a task
TAKEN = re.compile(r"Executing workload in Celery.*?task_id='(\w+)'.*?try_number=(\d+)")


class Stack:
    """The processes of Airflow with Celery, each with its log in one folder.

    Args:
        settings: The data folder, and the port of the API.
        variables: Of all processes.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, str]) -> None:
        self.settings = settings
        self.client = AirflowClient(settings.airflow_dir, settings.airflow_port)
        self.flower_port = find_free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = os.environ | airflow_environment(settings) | dict(variables)

    def call(self, *arguments: str) -> None:
        """Run a command of Airflow to its end."""
        command = [str(BIN / "airflow"), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"airflow {' '.join(arguments)} has failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def start(self, name: str, *arguments: str) -> None:
        """Start a process of Airflow."""
        with self.log_file(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [str(BIN / "airflow"), *arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Start everything, and wait until it answers."""
        self.start("api-server", "api-server")
        self.start("scheduler", "scheduler", "--skip-serve-logs")
        self.start("dag-processor", "dag-processor")
        for name in WORKERS:
            pid_file = str(self.settings.airflow_dir / f"{name}.pid")
            self.start(name, "celery", "worker", "--skip-serve-logs", "--celery-hostname", name, "--pid", pid_file)
        self.start("flower", "celery", "flower", "--hostname", HOST, "--port", str(self.flower_port))
        wait_for(lambda: self._has_answered(f"http://{HOST}:{self.settings.airflow_port}/api/v2/version"), "API server")
        wait_for(lambda: self._has_answered(f"http://{HOST}:{self.flower_port}/healthcheck"), "Flower")
        wait_for(lambda: all(" ready." in self.log_file(name).read_text() for name in WORKERS), "two workers")
        wait_for(lambda: self.client.get("dags")["dags"], "DAG")

    def _has_answered(self, url: str) -> bool:
        dead = [name for name, process in self.processes.items() if process.poll() is not None]
        if dead:
            raise SystemExit(f"{dead[0]} has ended:\n{self.log_file(dead[0]).read_text()[-3000:]}")
        with suppress(requests.RequestException):
            return requests.get(url, timeout=5).ok
        return False

    def log_file(self, name: str) -> Path:
        """What a process has printed."""
        return self.settings.airflow_dir / f"{name}.out"

    def list_taken(self) -> dict[str, list[tuple[str, int]]]:
        """Task and try of what each worker has taken, in order."""
        return {
            name: [(task, int(attempt)) for task, attempt in TAKEN.findall(self.log_file(name).read_text())]
            for name in WORKERS
        }

    def list_children(self, name: str) -> list[psutil.Process]:
        """A process and everything below it."""
        root = psutil.Process(self.processes[name].pid)
        return [root, *root.children(recursive=True)]

    def kill(self, name: str) -> None:
        """End a process and everything below it at once, as the loss of its machine does."""
        for process in self.list_children(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.processes.pop(name).wait()

    def stop(self) -> None:
        """End everything."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        for name, process in list(self.processes.items()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with suppress(psutil.NoSuchProcess):
                self.kill(name)


@contextmanager
def run_redis() -> Iterator[str]:
    """Redis on loopback with a password while the block runs; its URL."""
    program, password, port = shutil.which("redis-server"), secrets.token_urlsafe(16), find_free_port()
    if program is None:
        raise SystemExit("redis-server is not installed here; Debian's package is called redis-server")
    config = f'bind {HOST}\nport {port}\nrequirepass "{password}"\nsave ""\n'
    process = subprocess.Popen(
        [program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir()
    )
    assert process.stdin
    process.stdin.write(config.encode())
    process.stdin.close()
    try:
        yield f"redis://:{password}@{HOST}:{port}/0"
    finally:
        process.terminate()
        process.wait()


def read_celery_settings() -> dict[str, str]:
    """Settings of the workers in docker-compose.yml that are the same in each place."""
    compose = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = compose["services"]["airflow-worker"]["environment"]
    wanted = re.compile("CELERY|HEARTBEAT|PARALLELISM")
    return {name: value for name, value in environment.items() if wanted.search(name) and "${" not in value}


@contextmanager
def run_stack(folder: Path, variables: Mapping[str, str]) -> Iterator[Stack]:
    """Airflow with two workers while the block runs.

    Args:
        folder: The data folder.
        variables: Those of the sources.
    """
    programs = find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed here; Debian's package is called postgresql")
    with ExitStack() as stack:
        server, broker = stack.enter_context(run_postgres(programs)), stack.enter_context(run_redis())
        server.execute("create database airflow")
        settings = Settings.load(data_dir=folder, airflow_port=find_free_port())
        settings.airflow_dir.mkdir(parents=True)
        (settings.airflow_dir / "passwords.json").write_text(json.dumps({"admin": secrets.token_urlsafe(9)}))
        running = Stack(
            settings,
            {**variables, **folder_variables(folder), **read_celery_settings(), "PGPASSWORD": PASSWORD}
            | {
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": broker,
                "AIRFLOW__CELERY__FLOWER_BASIC_AUTH": f"admin:{secrets.token_urlsafe(9)}",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{USER}@{HOST}:{server.port}/airflow",
                "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
                "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(48),
            },
        )
        stack.callback(running.stop)
        running.call("db", "migrate")
        running.start_all()
        yield running


def run_undisturbed(sample: Path, folder: Path) -> Path:
    """Run the steps in one process; the published file."""
    with SampleProvider.of_sample(sample) as provider:
        environment = os.environ | provider.environment | folder_variables(folder)
        days = ["--from", str(SPEC.window.start), "--to", str(SPEC.window.end)]
        subprocess.run([str(BIN / "data-stack"), "run", *days], env=environment, check=True, capture_output=True)
    return Settings.load(data_dir=folder).warehouse_file


def find_loading_worker(stack: Stack) -> str | None:
    """The worker of which a task is loading rows, once both have taken tasks."""
    if not all(stack.list_taken().values()):
        return None
    for source in source_names():
        packages = stack.settings.dlt_state_dir(source) / source / "load" / "normalized"
        with suppress(OSError, ValueError):
            if next(packages.glob("*/started_jobs/*"), None):
                holder = json.loads((stack.settings.locks_dir / f"raw-{source}.lock").read_text())["pid"]
                return next(name for name in WORKERS if holder in {one.pid for one in stack.list_children(name)})
    return None


def run_disturbed(sample: Path, folder: Path) -> Path:
    """Run the DAG on two workers, kill one of them, and print what happened; the published file."""
    with SampleProvider.of_sample(sample) as provider, run_stack(folder, provider.environment) as stack:
        print(f"started after {time.monotonic() - STARTED:.0f} s, {read_cpu_seconds(stack):.0f} s of processor time")
        days = {"start_date": str(SPEC.window.start), "end_date": str(SPEC.window.end)}
        stack.call("dags", "trigger", DAG_ID, "--conf", json.dumps(days))
        victim = wait_for(lambda: find_loading_worker(stack), "load that is under way", pause=0.002)
        killed, before = time.monotonic(), stack.list_taken()
        stack.kill(victim)
        print(f"killed {victim} after {killed - STARTED:.0f} s, with its tasks {before[victim]}")
        (run,) = stack.client.runs()
        state = stack.client.wait_for_run(run["dag_run_id"], RUN_SECONDS)
        print(f"the run ended as {state}, {time.monotonic() - killed:.0f} s after the kill")
        print_tasks(stack, run["dag_run_id"])
    if state != "success":
        raise SystemExit(f"the run ended as {state}")
    return Settings.load(data_dir=folder).warehouse_file


def print_tasks(stack: Stack, run_id: str) -> None:
    """Print the tasks with their tries by worker, and what all of it has cost."""
    for name, taken in stack.list_taken().items():
        print(f"{name}: {', '.join(f'{task} ({attempt})' for task, attempt in taken)}")
    tasks = stack.client.tasks(run_id)
    print("tries: " + ", ".join(f"{task} {one['try_number']}" for task, one in sorted(tasks.items())))
    print(f"{read_cpu_seconds(stack):.0f} s of processor time")


def read_cpu_seconds(stack: Stack) -> float:
    """Processor time of this process, its ended children and the running processes of a stack."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(one.ru_utime + one.ru_stime for one in used)
    for name in stack.processes:
        for process in stack.list_children(name):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                # of ended children only, so nothing counts twice
                total += times.user + times.system + times.children_user + times.children_system
    return total


def compare_published(one: Path, other: Path) -> dict[str, int]:
    """Tables of core and marts, and the rows in which they differ; floats are compared to nine decimals."""
    with duckdb.connect() as db:
        db.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        columns: dict[str, list[str]] = {}
        for schema, table, column, kind in db.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
            # each load has an identifier of its own
            " where database_name = 'one' and schema_name in ('core', 'marts') and column_name <> 'load_id'"
        ).fetchall():
            value = f'round("{column}", 9)' if kind == "DOUBLE" else f'"{column}"'
            columns.setdefault(f"{schema}.{table}", []).append(value)
        return {table: _count_differing(db, table, ", ".join(values)) for table, values in sorted(columns.items())}


def _count_differing(db: duckdb.DuckDBPyConnection, table: str, values: str) -> int:
    left, right = f"select {values} from one.{table}", f"select {values} from other.{table}"
    ways = (f"{left} except all {right}", f"{right} except all {left}")
    return sum(len(db.execute(f"select 1 from ({way})").fetchall()) for way in ways)


def main() -> None:
    """Run both and compare."""
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        folder = Path(name)
        sample = generate(folder / "sample", SPEC)
        undisturbed = run_undisturbed(sample, folder / "undisturbed" / "data")
        print(f"undisturbed run after {time.monotonic() - STARTED:.0f} s")
        differing = compare_published(undisturbed, run_disturbed(sample, folder / "workers" / "data"))
    differs = {table: rows for table, rows in differing.items() if rows}
    print(f"{len(differing)} tables compared, {len(differs)} differ {differs or ''}".rstrip())
    if differs or not differing:
        sys.exit(1)


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
