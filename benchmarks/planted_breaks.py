"""Plants 20 breaks of guarantees in shared code, and reports whether `make test-changed` catches them.

Each break is one line. It is planted in a copy of the repository with the record of `make test-record`, and the selected
tests run there until the first failure. Results are kept in `data/planted-breaks.json`, so that the breaks can be tried
in several runs; the table of all goes to `docs/planted-breaks.md`. Arguments choose breaks by their numbers.
"""

# a break quotes a line of code
# ruff: noqa: E501

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from data_stack.settings import PROJECT_ROOT, folder_variables
from scaffold.record import RECORD_FILE, Record

RESULTS = PROJECT_ROOT / "data" / "planted-breaks.json"
REPORT = PROJECT_ROOT / "docs" / "planted-breaks.md"


@dataclass(frozen=True)
class Break:
    """A line of shared code, what it becomes, and the guarantee that this breaks."""

    path: str
    before: str
    after: str
    guarantee: str


BREAKS = (
    Break("data_stack/publish.py", "        new.replace(target)", "        shutil.copyfile(new, target)", "readers see the file before or the file after, never a part"),
    Break("data_stack/locks.py", '_held.get(path) == "exclusive" or (shared and path in _held)', "path in _held", "a shared lock does not allow writing"),
    Break("data_stack/loads.py", " if load_id not in passed]", "]", "a load that passed is not judged again"),
    Break("data_stack/window.py", "range((self.end - self.start).days + 1)", "range((self.end - self.start).days)", "the last day of a window is included"),
    Break("data_stack/versions.py", "        versioned = _choose_tables(columns, [LOAD_ID, *source.replaces])", "        versioned = _choose_tables(columns, [LOAD_ID])", "a table without the replaced columns has no versions"),
    Break("data_stack/redaction.py", '    return f"unexpected {type(error).__name__}" + (f" ({database_message})" if database_message else "")', '    return f"unexpected {type(error).__name__} ({error})"', "an error quotes no value of a row"),
    Break("dlt_pipeline/http.py", "            damaged = archive.testzip()", "            damaged = None", "a damaged zip is refused before it is read"),
    Break("dlt_pipeline/landing.py", '        return content[: content.rfind(b"\\n") + 1]', "        return content", "half a line of the index, after a kill, is not read"),
    Break("dlt_pipeline/stage.py", "            if misfits:", "            if len(misfits) > 1:", "a row with a value of another type is rejected"),
    Break("dlt_pipeline/load.py", "        if known.differs(provider):", "        if known.scope != provider.scope:", "live and sample data do not share a raw file"),
    Break("dlt_pipeline/transfer.py", "    _check_arrival(reader, stage, load_ids[0])", "    reader.notes.append(load_ids[0])", "a load that did not arrive completely is an error"),
    Break("dlt_pipeline/reader.py", "(self.origin or other.origin) != (other.origin or self.origin)", "self.origin != other.origin", "an origin that is not known yet differs from none"),
    Break("data_quality/tally.py", ">= float(self.expectation.mostly)", "> float(self.expectation.mostly)", "an expectation is met at its limit"),
    Break("data_quality/check.py", "case when {odd} >= {ODD_ROWS_MIN} then", "case when {odd} > {ODD_ROWS_MIN} then", "the share counts from the minimum number of rows"),
    Break("data_quality/runner.py", '        return not self._count("critical")', '        return not self._count("error")', "a failed critical expectation holds the load back"),
    Break("dbt_runner/state.py", "    if changed is not None and not changed:", "    if not changed:", "a failed full build is not taken for the version before it"),
    Break("orchestration/steps.py", "    if failed:", "    if failed > 1:", "a failed gate is an error"),
    Break("dbt/macros/passed_loads.sql", " where source = '{{ source_name }}')", ")", "staging reads the passed loads of its source"),
    Break("dbt/models/core/dim_dates.sql", "{{ iso_weekday('midnights.date_local') }} >= 6 as is_weekend", "{{ iso_weekday('midnights.date_local') }} > 6 as is_weekend", "Saturday is in the weekend"),
    Break("streamlit_app/filters.py", "self.first - timedelta(days=self.days), self.first", "self.first - timedelta(days=30), self.first", "the period before has the same length"),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What `make test-changed` did about a break."""

    is_caught: bool
    selected: int
    recorded: int
    seconds: float
    test: str


def main(numbers: list[int]) -> None:
    """Plant the breaks of these numbers, or all, and write the report.

    Args:
        numbers: From 1.
    """
    record = Record.load(PROJECT_ROOT / RECORD_FILE)
    if not record.tests:
        sys.exit("there is no record; `make test-record` writes it")
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = make_copy(Path(folder) / "copy")
        for number in numbers or range(1, len(BREAKS) + 1):
            result = try_break(copy, BREAKS[number - 1], record)
            print(number, BREAKS[number - 1].path, result, flush=True)
            results = read_results() | {number: result}
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps({str(known): asdict(result) for known, result in results.items()}))
            REPORT.write_text(format_report(results))


def read_results() -> dict[int, Result]:
    """Results of earlier runs, by the number of the break."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {int(number): Result(**result) for number, result in stored.items()}


def make_copy(copy: Path) -> Path:
    """A copy of the working tree in a repository of its own, whose branch main is as it is."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (PROJECT_ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_ROOT / name, copy / name)
    (copy / ".venv").symlink_to(PROJECT_ROOT / ".venv")
    git = ["git", "-c", "user.name=planted", "-c", "user.email=planted@localhost"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "The copy", "--no-verify"]):
        subprocess.run([*git, *arguments], cwd=copy, check=True)
    return copy


def try_break(copy: Path, planted: Break, record: Record) -> Result:
    """Plant a break, run the selection until the first failure, and take the break out again.

    Args:
        copy: Of the repository.
        planted: The break.
        record: Of the repository; tests that failed in it prove nothing and are left out.
    """
    file = copy / planted.path
    text = file.read_text()
    if text.count(planted.before) != 1:
        sys.exit(f"{planted.path} has {text.count(planted.before)} times {planted.before!r}; correct the break")
    shutil.copy2(PROJECT_ROOT / RECORD_FILE, copy / RECORD_FILE)
    failing = [f"--deselect={test}" for test, outcome in record.tests.items() if outcome.is_failed]
    # the copy comes before the repository, which is installed in the environment
    environment = os.environ | {"PYTHONPATH": str(copy), **folder_variables(copy / "data")}
    command = [sys.executable, "-m", "scaffold.changed_tests", "-x", "-n", "0", *failing]
    file.write_text(text.replace(planted.before, planted.after))
    began = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    finally:
        file.write_text(text)
    seconds = time.perf_counter() - began
    selected = re.search(r"^([\d,]+) tests", done.stdout, re.MULTILINE)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    count = int(selected[1].replace(",", "")) if selected else 0
    return Result(done.returncode == 1 and bool(failed), count, len(record.tests), seconds, failed[1] if failed else "")


def format_report(results: dict[int, Result]) -> str:
    """The document.

    Args:
        results: By the number of the break.
    """
    caught = sum(result.is_caught for result in results.values())
    rows = []
    for number, result in sorted(results.items()):
        planted = BREAKS[number - 1]
        share = f"{result.selected} of {result.recorded}"
        caught_by = f"`{result.test.rpartition('/')[2].partition('[')[0]}`" if result.is_caught else "nothing"
        cells = [number, f"`{planted.path}`", planted.guarantee, caught_by, share, f"{result.seconds:.0f}"]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    lines = [
        "# Planted breaks",
        "",
        "Written by `benchmarks/planted_breaks.py`. One line of shared code is changed so that a guarantee breaks, and",
        "`make test-changed` runs until the first failure. Selected tests are those of the record at that time, which can be",
        f"of a part of the suite. {caught} of {len(results)} breaks that were tried were caught; the script has {len(BREAKS)}.",
        "",
        "| number | file | broken guarantee | caught by | tests selected | seconds |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
