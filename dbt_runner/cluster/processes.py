"""Starts and ends the processes of the local Spark: master, workers and Thrift server, each on loopback.

The Thrift server has the metastore in it: Hive's own server of one listens on every address of the machine.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from data_stack.errors import TerminalError, UsageError
from dbt_runner.cluster.commands import make_command
from dbt_runner.cluster.layout import Layout

START_SECONDS = 120
END_SECONDS = 30
_REGISTERED = "Successfully registered with master"
_SERVES = "Starting ThriftBinaryCLIService on port"


def start_cluster(layout: Layout) -> None:
    """Start all processes, and wait until the Thrift server answers; does nothing where they already run.

    Args:
        layout: Where, on which ports.

    Raises:
        UsageError: A port is used by another program; names its setting.
        TerminalError: A process ended or did not get ready in time; names its log. Nothing stays behind.
    """
    if len(list(find_processes(layout))) == len(_list_names(layout)):
        return
    stop_cluster(layout)
    _require_free_ports(layout)
    layout.write_configuration()
    layout.prepare_tables()
    try:
        _start_all(layout)
    except BaseException:
        stop_cluster(layout)
        raise


def stop_cluster(layout: Layout) -> list[str]:
    """End all processes by their identifiers, the Thrift server first, and wait until they are gone.

    Args:
        layout: Whose processes.

    Returns:
        Names of the processes that were running.
    """
    running = dict(find_processes(layout))
    # the others serve the Thrift server, and a worker ends its executors
    for names in (["thrift"], [name for name in running if name.startswith("worker")], ["master"]):
        _end_processes({name: running[name] for name in names if name in running})
    for path in layout.pids_dir.glob("*"):
        path.unlink()
    return sorted(running)


def find_processes(layout: Layout) -> Iterator[tuple[str, int]]:
    """Names and identifiers of the processes that run.

    Args:
        layout: Whose processes.
    """
    for path in sorted(layout.pids_dir.glob("*")):
        pid = int(path.read_text() or 0)
        if pid and layout.mark in _read_command(pid):
            yield path.name, pid


def _start_all(layout: Layout) -> None:
    settings = layout.settings
    _start(layout, "master")
    _wait(layout, "master", lambda: _is_open(settings.spark_master_port))
    workers = [name for name in _list_names(layout) if name.startswith("worker")]
    for name in workers:
        _start(layout, name)
    for name in workers:
        _wait(layout, name, partial(_has_logged, layout, name, _REGISTERED))
    _start(layout, "thrift")
    # another program can have taken the port since it was looked at, even Spark's own driver
    _wait(layout, "thrift", partial(_has_logged, layout, "thrift", f"{_SERVES} {settings.spark_port} "))
    _wait(layout, "thrift", lambda: _is_open(settings.spark_port))


def _has_logged(layout: Layout, name: str, words: str) -> bool:
    return words in layout.log_file(name).read_text(errors="replace")


def _list_names(layout: Layout) -> list[str]:
    workers = [f"worker-{number}" for number in range(1, layout.settings.spark_workers + 1)]
    return ["master", *workers, "thrift"]


def _start(layout: Layout, name: str) -> None:
    role = name.partition("-")[0]
    # of its own session, so that an interrupted terminal does not end it half-way
    with layout.log_file(name).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command, without a shell
            make_command(layout, role),
            cwd=layout.folder,
            env=layout.environment(role),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (layout.pids_dir / name).write_text(str(process.pid))


def _wait(layout: Layout, name: str, is_ready: Callable[[], bool]) -> None:
    pid = int((layout.pids_dir / name).read_text())
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if not _is_running(pid):
            raise TerminalError(f"Spark: the {name} exited while it started; its log {layout.log_file(name)} says why")
        if time.monotonic() > deadline:
            raise TerminalError(
                f"Spark: the {name} was not ready after {START_SECONDS} seconds; see its log {layout.log_file(name)}"
            )
        time.sleep(0.2)


def _require_free_ports(layout: Layout) -> None:
    settings = layout.settings
    ports = {
        "SPARK_PORT": settings.spark_port,
        "SPARK_MASTER_PORT": settings.spark_master_port,
    }
    for name, port in ports.items():
        if _is_open(port):
            raise UsageError(
                f"port {port} on loopback is used by another program; end it, or set {name} to a free port"
            )


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end_processes(pids: dict[str, int]) -> None:
    for pid in pids.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while any(_is_running(pid) for pid in pids.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in pids.values():
        # each process leads a group of its own: what it has started and left goes with it
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _is_running(pid: int) -> bool:
    # a child that has exited is there until it has been waited for
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _read_command(pid: int) -> str:
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    return shown.stdout
