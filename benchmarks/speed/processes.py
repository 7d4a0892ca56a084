"""What a command uses: time, memory and what it writes, with all processes that it starts."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_stack.settings import PROJECT_ROOT

LAUNCHER = Path(__file__).with_name("launch.py")
DATA_STACK = str(Path(sys.executable).with_name("data-stack"))


@dataclass(frozen=True)
class Usage:
    """What a command and the processes that it started used.

    Attributes:
        wall_seconds: Elapsed time.
        cpu_seconds: Processor time, user and system.
        peak_bytes: Most memory that any of the processes had at a time.
        written_bytes: Bytes given to `write`: files, also temporary ones, pipes and sockets.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    written_bytes: int


def measure_command(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, folder: Path = PROJECT_ROOT
) -> Usage:
    """Run a command and measure it.

    Args:
        command: The command and its arguments.
        environment: Variables besides those of this process.
        folder: Where it runs.

    Raises:
        RuntimeError: The command failed; the message ends with what it printed last.
    """
    with tempfile.TemporaryDirectory() as temporary:
        answer = Path(temporary, "answer.json")
        done = subprocess.run(
            [sys.executable, "-S", LAUNCHER, answer, *command],
            env=os.environ | dict(environment or {}),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            shown = " ".join(map(str, command))
            raise RuntimeError(f"`{shown}` ended with exit code {done.returncode}:\n{done.stdout[-3000:]}")
        return Usage(**json.loads(answer.read_text()))


def count_bytes(folder: Path) -> int:
    """Bytes on disk below a folder; a file with several names counts once.

    Args:
        folder: The folder.
    """
    found = {(stat.st_dev, stat.st_ino): stat.st_blocks * 512 for stat in _list_stats(folder)}
    return sum(found.values())


def _list_stats(folder: Path) -> list[os.stat_result]:
    return [path.lstat() for path in folder.rglob("*") if not path.is_dir()]
