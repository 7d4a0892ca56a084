"""Starts `data-stack run` for somebody who is not at a terminal: an agent of the API, whose caller has confirmed it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

from data_stack.errors import TerminalError
from data_stack.ops import Ops, utc_now
from data_stack.settings import PROJECT_ROOT, Settings
from serving.roof import RunRequest

_RECORDED_SECONDS = 60
_POLL_SECONDS = 0.1


class RunStarter:
    """Starts runs as processes of their own, which end by themselves and outlive the API.

    Args:
        settings: Whose data folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, request: RunRequest) -> str:
        """Start a run, and wait until it is recorded.

        Args:
            request: Sources and days.

        Returns:
            The run's identifier.

        Raises:
            TerminalError: It ended before it was recorded, or was not recorded in time.
        """
        since_utc, process = utc_now(), self._start(request)
        # who does not wait for a process leaves it among the living, and the run would never be seen as interrupted
        Thread(target=process.wait, daemon=True).start()
        ops, until = Ops(self._settings), time.monotonic() + _RECORDED_SECONDS
        while time.monotonic() < until:
            has_ended = process.poll() is not None
            if run_id := _find_run(ops, process.pid, since_utc):
                return run_id
            if has_ended:
                raise TerminalError(
                    f"the run ended with exit code {process.returncode} before it was recorded; "
                    "start `data-stack run` in a terminal, which shows why"
                )
            time.sleep(_POLL_SECONDS)
        raise TerminalError(f"the run was not recorded within {_RECORDED_SECONDS} s; `data-stack status` shows runs")

    def _start(self, request: RunRequest) -> subprocess.Popen[bytes]:
        command = [f"{Path(sys.executable).with_name('data-stack')}", "run"]
        if request.sources:
            command += ["--sources", ",".join(request.sources)]
        if request.window:
            command += ["--from", f"{request.window.start}", "--to", f"{request.window.end}"]
        return subprocess.Popen(  # noqa: S603 - our own command, with names of the registry and days
            command,
            cwd=PROJECT_ROOT,
            env=os.environ | {"DATA_DIR": f"{self._settings.data_dir.absolute()}"},
            stdin=subprocess.DEVNULL,
            # the run records have what it did, and why it failed
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _find_run(ops: Ops, pid: int, since_utc: str) -> str | None:
    # the number of a process is used again, so that only a run of now is meant
    found = ops.query("select run_id from runs where pid = ? and started_at_utc >= ?", [pid, since_utc])
    return found[0]["run_id"] if found else None
