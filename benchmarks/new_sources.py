"""Copies each source with `data-stack new-source` and reports what the copy costs and whether it passes all checks.

Each copy is made in a copy of the repository: ruff, mypy, sqlfluff, the check of documents, the fast tests of the copy,
two runs on the sample, and `remove-source`. Prints one line per step. Arguments choose the sources to copy.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from data_stack.registry import source_names
from data_stack.settings import PROJECT_ROOT, folder_variables

# the copy of the repository is the one of the tests
sys.path[:0] = [str(PROJECT_ROOT / "tests" / "scaffold")]
from repository_copy import copy_repository, list_added, run_command, run_in  # noqa: E402
from small_repository import run_git  # noqa: E402

NAME = "invented_feed"


def measure(step: str, run: Callable[[], object]) -> None:
    """Run a step and print its result with its processor time and elapsed time, in seconds."""
    started, used = time.monotonic(), _read_processor_time()
    try:
        run()
        result = "passed"
    except AssertionError as error:
        result = f"failed\n{error}"
    print(
        f"{step}: {_read_processor_time() - used:.1f} s CPU, {time.monotonic() - started:.1f} s, {result}", flush=True
    )


def measure_copy(like: str, folder: Path) -> None:
    """Copy one source in a copy of the repository and check the copy.

    Args:
        like: The source.
        folder: An empty folder.
    """
    root, data = copy_repository(folder / "repository"), folder_variables(folder / "data")
    measure("new-source", lambda: run_command(root, "new-source", NAME, "--like", like))
    changed = run_git(root, "diff", "--name-only").splitlines()
    added = list_added(root)
    print(f"{sum(map(len, added.values()))} files added, {len(changed)} changed: {', '.join(changed)}")
    measure("ruff", lambda: run_in(root, "ruff", "check", "."))
    measure("format", lambda: run_in(root, "ruff", "format", "--check", "."))
    measure("mypy", lambda: run_in(root, "mypy"))
    measure("sqlfluff", lambda: run_in(root, "sqlfluff", "lint", *added[".sql"]))
    scripts = f"{root}{os.pathsep}{root / '.awos' / 'scripts'}"
    measure("documents", lambda: run_in(root, "check_docs", PYTHONPATH=scripts))
    tests = [path for path in added[".py"] if Path(path).name.startswith("test_")]
    measure("tests", lambda: run_in(root, "pytest", "-n", "0", "-q", "-m", "not slow and not integration", *tests))
    demo = ("sample", "demo", "--from", "2024-01", "--to", "2024-02", "--rides-per-day", "20")
    measure("first demo", lambda: run_command(root, *demo, **data))
    measure("second demo", lambda: run_command(root, *demo, **data))
    measure("remove-source", lambda: run_command(root, "remove-source", NAME))
    print(f"git status after it: {run_git(root, 'status', '--porcelain') or 'clean'}")


def _read_processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure each source, or those that are named."""
    for like in sys.argv[1:] or source_names():
        print(f"== {like}")
        with tempfile.TemporaryDirectory() as folder:
            measure_copy(like, Path(folder))


if __name__ == "__main__":
    main()
