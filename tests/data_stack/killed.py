"""Runs a command of `data-stack` again and again, killed one moment later each time.

What is on disk changes only when a file is replaced, linked or removed, and when a transaction of the run records
commits. A moment is the instant before or after one of these, so the moments stand for every instruction.

Usage: killed.py TEMPLATE FOLDER ARGUMENT...; prints how many moments there were; FOLDER/3 is what moment 3 left.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_stack.ops import Ops
from orchestration.cli.app import execute


def main() -> None:
    template, folder, arguments = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    moment = 0
    while True:
        shutil.copytree(template, folder / str(moment))
        child = os.fork()
        if child == 0:
            os.environ["DATA_DIR"] = str(folder / str(moment))
            die_at(moment)
            os._exit(execute(arguments))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            sys.stdout.write(f"{moment}\n")
            return
        moment += 1


def die_at(moment: int) -> None:
    passed = 0

    def pass_moment() -> None:
        nonlocal passed
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def between_moments(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            pass_moment()
            result = function(*arguments, **options)
            pass_moment()
            return result

        return call

    for name in ("replace", "link", "unlink"):
        setattr(os, name, between_moments(getattr(os, name)))
    transaction = Ops._transaction

    @contextmanager
    def transaction_between_moments(self: Ops) -> Iterator[Any]:
        pass_moment()
        with transaction(self) as db:
            yield db
        pass_moment()

    Ops._transaction = transaction_between_moments  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
