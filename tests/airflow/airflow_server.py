"""A real Airflow for tests: started as a user starts it, asked through its command line and its REST API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import requests
from ports import find_free_port

from data_stack.settings import PROJECT_ROOT

DAG_ID = "bike_weather_dag"
PATIENCE_SECONDS = 300


def wait_for(what: Callable[[], Any], words: str, seconds: float = PATIENCE_SECONDS, pause: float = 1) -> Any:
    """Ask until there is an answer.

    Args:
        what: Asked again while its answer is false.
        words: What is waited for, for whoever reads the failure.
        seconds: How long.
        pause: Seconds between two tries.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(pause)
    raise AssertionError(f"no {words} after {seconds} s")


class AirflowClient:
    """Asks an Airflow on loopback through its REST API, and reads its logs.

    Args:
        home: Its folder.
        port: The port of its API.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port

    def _token(self) -> str:
        password = json.loads((self.home / "passwords.json").read_text())["admin"]
        login = {"username": "admin", "password": password}
        answer = requests.post(f"http://127.0.0.1:{self.port}/auth/token", json=login, timeout=60)
        return str(answer.json()["access_token"])

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """An answer of the REST API, below `/api/v2`."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        answer = requests.get(url, params=query, headers=headers, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def runs(self) -> list[dict[str, Any]]:
        """Runs of the DAG, the newest first."""
        found: list[dict[str, Any]] = self.get(f"dags/{DAG_ID}/dagRuns", order_by="-run_after")["dag_runs"]
        return found

    def wait_for_run(self, run_id: str, seconds: float = PATIENCE_SECONDS) -> str:
        """The state in which a run ends, within some seconds."""

        def ended() -> str | None:
            state = self.get(f"dags/{DAG_ID}/dagRuns/{run_id}")["state"]
            return state if state in ("success", "failed") else None

        return str(wait_for(ended, f"end of {run_id}", seconds))

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Task instances of a run by task."""
        found = self.get(f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def log(self, run_id: str, task_id: str) -> str:
        """What a task logged, all tries."""
        folder = self.home / "logs" / f"dag_id={DAG_ID}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(path.read_text() for path in sorted(folder.glob("*.log")))


class AirflowServer(AirflowClient):
    """`data-stack airflow serve` in a process of its own.

    Args:
        data_dir: Its data folder.
        variables: Further variables of its environment.
    """

    def __init__(self, data_dir: Path, variables: Mapping[str, str]) -> None:
        super().__init__(data_dir / "airflow", find_free_port())
        self.data_dir = data_dir
        environment = os.environ | dict(variables) | {"DATA_DIR": str(data_dir), "AIRFLOW_PORT": str(self.port)}
        self.output = data_dir.parent / "serve.out"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).parent / "data-stack"), "airflow", "serve"],
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Until it says that it is ready."""

        def said() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return "ready " in self.output.read_text()

        wait_for(said, "Airflow that is ready")

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command of a second terminal, after the one line that sets it up."""
        bare = {"HOME": str(self.data_dir), "PATH": os.defpath}
        return subprocess.run(
            ["bash", "-c", f"source {self.home}/env.sh && {command}"],
            env=bare,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def trigger(self, options: str = "") -> str:
        """Trigger a run from a second terminal; the words are those of the README.

        Returns:
            The run's identifier.
        """
        known = {run["dag_run_id"] for run in self.runs()}
        done = self.shell(f"airflow dags trigger bike_weather_dag {options}".strip())
        assert done.returncode == 0, done.stdout + done.stderr
        (new,) = {run["dag_run_id"] for run in self.runs()} - known
        return str(new)

    def processes(self) -> list[psutil.Process]:
        """Every process below the command, which is in it too."""
        try:
            root = psutil.Process(self.process.pid)
        except psutil.NoSuchProcess:
            return []
        return [root, *root.children(recursive=True)]

    def memory_mb(self) -> float:
        """Proportional set size of all of them, in MB."""
        total = 0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 1e6

    def stop(self) -> int:
        """Ctrl-C, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End whatever is left, after a test that failed."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
