"""Locks between processes: who is refused, who waits, what a killed holder leaves."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from data_stack.errors import LockHeldError
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.settings import Settings

HOLD = (
    "import sys, time; from data_stack.locks import Locks; from data_stack.settings import Settings\n"
    "with Locks(Settings.load(), 'run 42').hold('build', shared=sys.argv[1] == 'shared'):\n"
    "    print('held', flush=True); time.sleep(float(sys.argv[2]))\n"
)


@pytest.fixture
def settings(on_each_store: Settings) -> Settings:
    return on_each_store


@contextmanager
def held_elsewhere(kind: str = "exclusive", seconds: float = 30) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, kind, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_second_writer_is_refused_and_told_who_holds(settings: Settings) -> None:
    with held_elsewhere() as holder:
        with pytest.raises(LockHeldError, match=rf"build is in use by run 42 \(pid {holder.pid} on \S+, since 20"):
            with Locks(settings, "me").hold("build"):
                pass
        with Locks(settings, "me").hold("raw-bike"):
            pass


def test_readers_share_and_keep_a_writer_out(settings: Settings) -> None:
    with held_elsewhere("shared"):
        with Locks(settings, "me").hold("build", shared=True):
            pass
        with pytest.raises(LockHeldError), Locks(settings, "me").hold("build"):
            pass


def test_who_reads_a_resource_may_not_write_it(settings: Settings) -> None:
    locks = Locks(settings, "run 1")
    with locks.hold("raw-bike", shared=True):
        with pytest.raises(LockHeldError, match="raw-bike"), locks.hold("raw-bike"):
            pass
        with locks.hold("raw-bike", shared=True):
            pass


def test_a_killed_holder_leaves_no_lock(settings: Settings) -> None:
    with held_elsewhere() as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with Locks(settings, "me").hold("build"):
            pass


def test_who_waits_is_told_once_and_gets_the_lock(settings: Settings) -> None:
    told: list[str] = []
    with (
        held_elsewhere(seconds=0.6),
        Locks(settings, "me").hold("build", wait_seconds=20, notify=told.append),
    ):
        pass
    assert len(told) == 1
    assert told[0].startswith("waiting up to 20 s for build, in use by run 42")


def test_steps_inside_a_run_take_its_locks_again(settings: Settings) -> None:
    locks = Locks(settings, "me")
    with locks.hold("build", "publish"), locks.hold("build"), locks.hold("build", shared=True):
        pass
    with held_elsewhere():
        pass


def test_a_writers_patience_ends_before_a_run_does(settings: Settings) -> None:
    with held_elsewhere(), pytest.raises(LockHeldError):
        with Locks(settings, "me").hold("build", wait_seconds=PATIENCE_SECONDS):
            pass
