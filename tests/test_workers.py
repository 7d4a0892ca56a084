"""The processes of a run: their answers, their errors and their end."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from data_stack.errors import GateFailedError, TerminalError
from data_stack.settings import Settings
from orchestration import workers
from orchestration.workers import Worker, Workers

kept: list[Any] = []
"""What calls leave in their process."""


def prepare_nothing(_settings: Settings) -> None: ...


def fail_to_prepare(_settings: Settings) -> None:
    raise ImportError("no such library")


def find_process(*, add: int = 0) -> int:
    return os.getpid() + add


def fail_gate() -> None:
    raise GateFailedError("bike: load 1.5 failed its checks")


def fail_with_row() -> None:
    raise ValueError("could not parse Grandma Secret")


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    started = Worker("gate", prepare_nothing, settings)
    started.start()
    yield started
    started.stop()


def test_a_process_answers_one_call_after_the_other(worker: Worker) -> None:
    first = worker.call(find_process)
    assert first != os.getpid()
    assert worker.call(find_process, add=1) == first + 1


def test_a_worker_that_was_not_started_calls_here(settings: Settings) -> None:
    unstarted = Worker("gate", prepare_nothing, settings)
    assert unstarted.call(find_process) == os.getpid()
    unstarted.stop()


def test_our_errors_come_back_as_they_are_and_others_without_values(worker: Worker) -> None:
    with pytest.raises(GateFailedError, match="bike: load 1.5 failed its checks") as caught:
        worker.call(fail_gate)
    assert "in fail_gate" in caught.value.__notes__[0], "for --debug"
    with pytest.raises(TerminalError, match="ValueError") as other:
        worker.call(fail_with_row)
    assert "Grandma" not in str(other.value)
    assert worker.call(find_process) != os.getpid(), "it goes on"


def test_a_process_that_is_killed_is_an_error_with_a_remedy(worker: Worker) -> None:
    with pytest.raises(TerminalError, match=r"the process of the gate was ended.*DUCKDB_MEMORY_LIMIT"):
        worker.call(kill_itself)
    with pytest.raises(TerminalError, match="the process of the gate was ended"):
        worker.call(find_process)


def make_lock() -> int:
    kept.append(multiprocessing.get_context("spawn").Lock())
    return len(kept)


def test_a_process_that_waits_ends_by_itself_and_leaves_no_semaphore(settings: Settings) -> None:
    started = Worker("build", prepare_nothing, settings)
    started.start()
    assert started.call(make_lock) == 1
    started.stop()
    assert started._process
    # a process that is terminated leaves its semaphores, and Python says so at the end of a run
    assert started._process.exitcode == 0


def test_a_released_process_ends_by_itself_and_calls_are_done_here(settings: Settings) -> None:
    started = Worker("gate", prepare_nothing, settings)
    started.start()
    process = started.call(find_process)
    started.release()
    assert started.call(find_process) == os.getpid()
    started.stop()
    assert started._process
    assert (started._process.pid, started._process.exitcode) == (process, 0)


def test_a_process_that_could_not_prepare_itself_still_answers(settings: Settings) -> None:
    started = Worker("build", fail_to_prepare, settings)
    started.start()
    assert started.call(find_process) != os.getpid()
    started.stop()


def test_stopping_ends_a_process_that_works_and_ctrl_c_does_not(worker: Worker) -> None:
    process = worker.call(find_process)
    os.kill(process, signal.SIGINT)
    assert worker.call(find_process) == process
    worker.stop()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{process}") and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_process_that_runs_several_commands_starts_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Workers(settings)
    run.start()
    assert run.gate.call(find_process) == os.getpid()
    monkeypatch.setattr(workers, "_is_enabled", True)
    monkeypatch.setattr(workers, "prepare_gate", prepare_nothing)
    monkeypatch.setattr(workers, "prepare_build", prepare_nothing)
    run = Workers(settings)
    run.start()
    run.start()
    assert len({os.getpid(), run.gate.call(find_process), run.build.call(find_process)}) == 3
    run.close()
