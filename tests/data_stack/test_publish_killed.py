"""Publishing and rollback, killed at each moment: what `status` says is what readers see, and no pin is lost."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_publish import begin, build, publish, value_of

from data_stack.ops import Ops
from data_stack.publications import find_pin, find_publication
from data_stack.publish import rollback
from data_stack.settings import Settings
from orchestration import steps
from orchestration.cli.report import gather_status

KILLED = Path(__file__).with_name("killed.py")


def kill_at_each_moment(settings: Settings, folder: Path, *arguments: str) -> Iterator[Settings]:
    """The data folders that a command leaves when it is killed, from its beginning to its end."""
    done = subprocess.run(
        [sys.executable, str(KILLED), str(settings.data_dir), str(folder), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    moments = int(done.stdout.splitlines()[-1])
    assert moments >= 10
    for moment in range(moments):
        yield settings.model_copy(update={"data_dir": folder / str(moment)})


def copy_of(settings: Settings) -> Settings:
    copied = settings.data_dir.with_name(f"{settings.data_dir.name}-copy")
    shutil.copytree(settings.data_dir, copied)
    return settings.model_copy(update={"data_dir": copied})


def check_status(settings: Settings) -> int:
    """The value that readers see, after a check that `status` names the publication of that file."""
    publication = find_publication(settings.warehouse_file)
    assert publication is not None
    found = gather_status(settings, Ops(settings))
    assert found["publication"]["publication_id"] == publication.publication_id
    return value_of(settings.warehouse_file)


def roll_back(settings: Settings) -> int:
    run = begin(settings)
    rollback(settings, run.ops, run.locks, None, "after the kill")
    assert steps.publish(begin(settings)).is_pinned
    return check_status(settings)


@pytest.mark.slow
def test_a_publish_that_is_killed(settings: Settings, tmp_path: Path) -> None:
    publish(settings, 1)
    publish(settings, 2)
    build(settings, 3)
    seen = []
    for killed in kill_at_each_moment(settings, tmp_path / "killed", "publish"):
        seen.append(check_status(killed))
        # a rollback goes to the publication before the one that readers see
        assert roll_back(copy_of(killed)) == seen[-1] - 1
        assert not steps.publish(begin(killed)).is_pinned
        assert check_status(killed) == 3
        assert list(killed.data_dir.glob(".*")) == []
    assert sorted(set(seen)) == [2, 3]
    assert seen == sorted(seen)


@pytest.mark.slow
def test_a_rollback_that_is_killed(settings: Settings, tmp_path: Path) -> None:
    for value in (1, 2, 3):
        publish(settings, value)
    build(settings, 4)
    seen = []
    for killed in kill_at_each_moment(settings, tmp_path / "killed", "rollback", "--reason", "wrong numbers"):
        seen.append(check_status(killed))
        asked_for = Ops(killed).recorded_pin()
        pin = find_pin(Ops(killed), find_publication(killed.warehouse_file))
        # readers never see the earlier publication without its pin, and a pin that was recorded is in force
        assert (pin is not None) == (asked_for is not None)
        assert seen[-1] == 3 or (pin is not None and pin.is_complete)
        again = copy_of(killed)
        report = steps.publish(begin(killed))
        assert report.is_pinned == (asked_for is not None)
        assert check_status(killed) == (2 if asked_for else 4)
        if asked_for:
            assert gather_status(killed, Ops(killed))["publication"]["pin_reason"] == "wrong numbers"
        # an explicit publish ends the pin, complete or not
        assert not steps.publish(begin(again), unpin=True).is_pinned
        assert find_pin(Ops(again), find_publication(again.warehouse_file)) is None
        assert check_status(again) == 4
    assert sorted(set(seen)) == [2, 3]


@pytest.mark.slow
def test_a_publish_that_ends_a_pin_and_is_killed(settings: Settings, tmp_path: Path) -> None:
    for value in (1, 2):
        publish(settings, value)
    run = begin(settings)
    rollback(settings, run.ops, run.locks, None, "wrong numbers")
    build(settings, 3)
    for killed in kill_at_each_moment(settings, tmp_path / "killed", "publish"):
        seen = check_status(killed)
        pin = find_pin(Ops(killed), find_publication(killed.warehouse_file))
        assert (seen, pin is not None) in ((1, True), (3, False))
        # what a run does next
        assert steps.publish(begin(killed)).is_pinned == (seen == 1)


def test_the_clock_may_jump_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["2026-c", "2026-b", "2026-a"])
    monkeypatch.setattr("data_stack.publish.new_id", lambda: next(ids))
    for value in (1, 2, 3):
        publish(settings, value)
    run = begin(settings)
    assert rollback(settings, run.ops, run.locks, None, "wrong numbers") == "2026-b"
    assert value_of(settings.warehouse_file) == 2
    assert rollback(settings, run.ops, run.locks, None, "still wrong") == "2026-c"
    assert value_of(settings.warehouse_file) == 1


def test_an_interrupted_rollback_without_its_snapshot_says_what_to_do(settings: Settings) -> None:
    first = publish(settings, 1).publication_id
    second = publish(settings, 2).publication_id
    begin(settings).ops.record_pin(first, second, "interrupted")
    (settings.snapshots_dir / f"{first}.duckdb").unlink()
    with pytest.raises(steps.TerminalError, match=f"rollback to {first} was interrupted and its snapshot is gone"):
        steps.publish(begin(settings))
    assert value_of(settings.warehouse_file) == 2
