"""Writes a lake again and again, killed one moment later each time: before and after each file that is replaced.

Usage: killed_sync.py DATA_DIR FOLDER; FOLDER/3 is the lake that moment 3 left; prints how many moments there were.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

# DuckDB imports it with the first parameter, which would take a second in each child
import pandas  # noqa: F401
from test_versions import DAYS

from data_stack.lake.lake import open_lake
from data_stack.lake.write import sync_source
from data_stack.ops import Ops
from data_stack.settings import Settings


def main() -> None:
    data_dir, folder = Path(sys.argv[1]), Path(sys.argv[2])
    moment = 0
    while True:
        shutil.copytree(folder / "before", folder / str(moment))
        child = os.fork()
        if child == 0:
            die_at(moment)
            sync(data_dir, folder / str(moment))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            sys.stdout.write(f"{moment}\n")
            return
        moment += 1


def sync(data_dir: Path, lake_dir: Path) -> None:
    settings = Settings.load(data_dir=data_dir, lake_url=str(lake_dir))
    lake = open_lake(settings)
    assert lake
    assert sync_source(lake, settings, Ops(settings), DAYS).has_changed


def die_at(moment: int) -> None:
    passed = 0
    replace = os.replace

    def between_moments(source: str, target: str) -> None:
        nonlocal passed
        for effect in (lambda: None, lambda: replace(source, target)):
            effect()
            if passed == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1

    os.replace = between_moments  # type: ignore[assignment]


if __name__ == "__main__":
    main()
