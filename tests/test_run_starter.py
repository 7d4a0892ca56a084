"""A run that the API starts: a process of its own, recorded before its identifier is given."""

import os
import signal
import time

import pytest

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.registry import source_names
from data_stack.settings import Settings
from orchestration.run_starter import RunStarter
from serving.roof import RunRequest

pytestmark = pytest.mark.integration

REQUEST = RunRequest(tuple(source_names()[:1]))


def test_a_started_run_is_a_recorded_process_that_can_end(settings: Settings) -> None:
    run_id = RunStarter(settings)(REQUEST)
    ops = Ops(settings)
    (run,) = ops.query("select * from runs")
    os.killpg(run["pid"], signal.SIGKILL)
    assert (run["run_id"], run["command"], run["sources"]) == (run_id, "run", ",".join(REQUEST.sources))
    assert os.getpgid(0) != run["pid"]
    # a process that nobody waited for would stay among the living
    until = time.monotonic() + 20
    while (state := (ops.find_run(run_id) or {})["status"]) == "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert state == "interrupted"


def test_a_run_that_ends_before_it_is_recorded_is_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_ATTEMPTS", "none")
    with pytest.raises(TerminalError, match="ended with exit code 2 before it was recorded; start `data-stack run`"):
        RunStarter(settings)(REQUEST)
