"""Runs the tests that cover the current change, and records what they use: `make test-changed`, `make test-record`.

Usage: python -m scaffold.changed_tests [--all] [ARGUMENT OF PYTEST...]; `--all` runs and records the whole fast suite.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from data_stack.settings import PROJECT_ROOT, Settings
from scaffold.impact import Tests, find_tests
from scaffold.record import RECORD_FILE, Record

_PYTEST = ("-p", "scaffold.recording", "-m", "not slow", "--record", RECORD_FILE)
# as `make test`, whose words about crashed workers hold here too
_PARALLEL = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart=0")
_NO_TESTS = 5


def main(arguments: Sequence[str]) -> int:
    """Run the tests.

    Args:
        arguments: Of the command line.

    Returns:
        Exit code of pytest; 0 if no test covers the change.
    """
    rest = [argument for argument in arguments if argument != "--all"]
    record_file = PROJECT_ROOT / RECORD_FILE
    if "--all" in arguments:
        return _run_pytest(rest)
    if not record_file.exists():
        _say("no record yet: runs and records the whole fast suite")
        return _run_pytest(rest)
    return run_selected(find_tests(Settings.load()), rest)


def run_selected(tests: Tests, arguments: Sequence[str]) -> int:
    """Run the selected tests and the new tests of changed files.

    Args:
        tests: What covers the change.
        arguments: More arguments of pytest.

    Returns:
        Exit code of pytest; 0 if there is nothing to run.
    """
    for line in describe_tests(tests):
        _say(line)
    files = sorted({_name_file(test) for test in tests.selected} | tests.files)
    present = [file for file in files if (PROJECT_ROOT / file).exists()]
    _forget_removed(set(files) - set(present))
    if not present:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        selected = Path(folder) / "selected"
        selected.write_text("\n".join(order_tests(tests, Record.load(PROJECT_ROOT / RECORD_FILE))))
        code = _run_pytest([f"--selected={selected}", *arguments, *present])
    return 0 if code == _NO_TESTS else code


def order_tests(tests: Tests, record: Record) -> list[str]:
    """The selected tests: those of the changed modules first, and then the files that take least.

    Args:
        tests: What covers the change.
        record: Where they were selected.
    """
    stems = {Path(path).stem for path in tests.by_file}
    seconds: defaultdict[str, float] = defaultdict(float)
    for test in tests.selected:
        seconds[_name_file(test)] += record.tests[test].seconds

    def rank(test: str) -> tuple[bool, float, str]:
        file = _name_file(test)
        is_near = any(stem in Path(file).stem for stem in stems)
        return not is_near, seconds[file], test

    return sorted(tests.selected, key=rank)


def _name_file(test: str) -> str:
    return test.partition("::")[0]


def describe_tests(tests: Tests) -> list[str]:
    """What was selected, and what nothing covers, as lines for people.

    Args:
        tests: What covers the change.
    """
    if not tests.by_file:
        return ["nothing has changed"]
    share = f" ({100 * len(tests.selected) / tests.recorded:.0f} % of {tests.recorded:,})" if tests.recorded else ""
    new = f"; new tests in {', '.join(sorted(tests.files))}" if tests.files else ""
    lines = [f"{len(tests.selected):,} tests{share}, {tests.seconds:.0f} seconds when they were recorded{new}"]
    return lines + [f"covered by nothing: {path}" for path in tests.uncovered]


def _forget_removed(files: set[str]) -> None:
    if files:
        record = Record.load(PROJECT_ROOT / RECORD_FILE)
        record.forget([test for test in record.tests if _name_file(test) in files])
        record.save(PROJECT_ROOT / RECORD_FILE)


def _run_pytest(arguments: Sequence[str]) -> int:
    # an argument of the caller wins over the one before it
    command = [sys.executable, "-m", "pytest", *_PYTEST, *_PARALLEL, *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT).returncode  # noqa: S603


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
