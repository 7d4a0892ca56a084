"""`data-stack airflow`: a local Airflow on loopback, with everything that the DAG needs."""

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from data_stack.errors import TerminalError
from orchestration.cli.console import console, format_path
from orchestration.cli.sample import DEMO_DIR, serve_sample

if TYPE_CHECKING:
    from data_stack.settings import Settings

HOST = "127.0.0.1"
READY_SECONDS = 180
STOP_SECONDS = 60

_BIN = Path(sys.executable).parent
# standalone starts its components as `airflow`; their log servers would listen on every interface, and nobody needs
# them, because the API reads the logs of this machine from the disk
_COMPONENT = """#!/bin/sh
case "$1" in scheduler|triggerer) set -- "$@" --skip-serve-logs ;; esac
exec {airflow} "$@"
"""

app = typer.Typer(help="A local Airflow on loopback, with everything that the DAG needs.", no_args_is_help=True)


@app.command()
def serve(
    sample: Annotated[
        bool, typer.Option("--sample", help="Use the sample, in data/demo unless DATA_DIR is set.")
    ] = False,
) -> None:
    """Run Airflow until Ctrl-C; it starts no run by itself."""
    from data_stack.settings import Settings

    if sample:
        os.environ.setdefault("DATA_DIR", DEMO_DIR)
    settings = Settings.load()
    _require_free_port(settings.airflow_port)
    with ExitStack() as stack:
        provider = stack.enter_context(serve_sample(settings)) if sample else {}
        _serve(settings, provider, f"{'sample' if sample else 'live'} data in {format_path(settings.data_dir)}")
    console.print("Airflow has stopped")


def _serve(settings: "Settings", provider: dict[str, str], what: str) -> None:
    home = settings.airflow_dir
    environment = airflow_environment(settings) | provider
    _write_environment(home, environment)
    password = _ensure_password(home)
    console.print(f"starting Airflow on {what}")
    with _run_standalone(home, environment) as process:
        _wait_until_ready(process, settings.airflow_port, home)
        console.print(f"ready      http://{HOST}:{settings.airflow_port}  user admin, password {password}")
        console.print(f"trigger    source {shlex.quote(format_path(home / 'env.sh'))}")
        console.print("           airflow dags trigger bike_weather_dag")
        console.print("stop       Ctrl-C")
        process.wait()
        _raise_with_log(home, "exited unexpectedly")


def airflow_environment(settings: "Settings") -> dict[str, str]:
    """Variables of every Airflow process of one data folder, the command line's included.

    Args:
        settings: Data folder and port.
    """
    from data_stack.settings import PROJECT_ROOT

    url = f"http://{HOST}:{settings.airflow_port}"
    home = settings.airflow_dir
    airflow = {
        "CORE__DAGS_FOLDER": str(PROJECT_ROOT / "airflow" / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "2",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # a run starts only when somebody triggers it; containers and servers turn the schedule on
        "SCHEDULER__USE_JOB_SCHEDULE": "False",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "API__HOST": HOST,
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        # the workers find the API here: another port needs all three
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
    }
    return {
        "AIRFLOW_HOME": str(home),
        "DATA_DIR": str(settings.data_dir),
    } | {f"AIRFLOW__{name}": value for name, value in airflow.items()}


def _write_environment(home: Path, environment: dict[str, str]) -> None:
    """Write the file that sets up a second terminal: `source .../env.sh`."""
    home.mkdir(parents=True, exist_ok=True)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    (home / "env.sh").write_text("\n".join([*lines, f'export PATH={shlex.quote(str(_BIN))}:"$PATH"', ""]))


def _ensure_password(home: Path) -> str:
    """The password of this home; generated here, so that it is printed once and not hidden in Airflow's output."""
    path = home / "passwords.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({"admin": secrets.token_urlsafe(9)}))
    return str(json.loads(path.read_text())["admin"])


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise TerminalError(
                f"port {port} of {HOST} is taken ({error.strerror}); set AIRFLOW_PORT to another one"
            ) from error


@contextmanager
def _run_standalone(home: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `airflow standalone` in a session of its own, which is ended with the block, however that ends."""
    if not (_BIN / "airflow").exists():
        raise TerminalError("Airflow is not installed here; `make airflow` installs and starts it")
    with (home / "standalone.log").open("wb") as log:
        # a closing terminal and a supervisor end us as Ctrl-C does, also where a shell makes us ignore it
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, signal.default_int_handler)
        path = f"{_write_component_starter(home)}{os.pathsep}{_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        process = subprocess.Popen(  # noqa: S603 - our own command, without a shell
            [str(_BIN / "airflow"), "standalone"],
            env=os.environ | environment | {"PATH": path},
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        except KeyboardInterrupt:
            console.print("stopping Airflow")
        finally:
            _stop_standalone(process)


def _write_component_starter(home: Path) -> Path:
    """Write the `airflow` that standalone starts its components with; returns its folder."""
    part = home / "bin" / "airflow"
    part.parent.mkdir(exist_ok=True)
    part.write_text(_COMPONENT.format(airflow=shlex.quote(str(_BIN / "airflow"))))
    part.chmod(0o755)
    return part.parent


def _stop_standalone(process: subprocess.Popen[bytes]) -> None:
    """Stop standalone with SIGINT, then end whatever it has left behind."""
    # SIGTERM would orphan its components
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        console.print(f"Airflow has not stopped within {STOP_SECONDS} s and is killed")
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if not _signal_group(process.pid, sign):
                break
            time.sleep(2)
        process.wait()


def _signal_group(group: int, sign: signal.Signals) -> bool:
    try:
        os.killpg(group, sign)
    except ProcessLookupError:
        return False
    return True


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, home: Path) -> None:
    import requests

    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _raise_with_log(home, "exited while it was starting")
        try:
            health = requests.get(f"http://{HOST}:{port}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            health = {}
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        if all((health.get(part) or {}).get("status") == "healthy" for part in parts):
            return
        time.sleep(1)
    _raise_with_log(home, f"is not healthy after {READY_SECONDS} s")


def _raise_with_log(home: Path, what: str) -> NoReturn:
    raise TerminalError(f"Airflow {what}; see {format_path(home / 'standalone.log')}")
