"""The record of what each test used when it last ran: functions, files that were opened, shared fixtures.

It is one file beside the code, `.test-record.json`, and not in git. Functions are recorded by name, so that the record
outlives changes above them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scaffold.opened_files import ROOT, find_name
from scaffold.symbols import Symbols, read_symbols

RECORD_FILE = ".test-record.json"
# contexts of coverage.py that are no tests
FIXTURE = "fixture:"


@dataclass(frozen=True)
class Outcome:
    """How a test ended.

    Attributes:
        seconds: With its fixtures.
        is_failed: Whether it, its setup or its teardown failed.
        fixtures: Names of the fixtures that it uses.
    """

    seconds: float = 0.0
    is_failed: bool = False
    fixtures: tuple[str, ...] = ()


@dataclass
class Record:
    """What each test used.

    Attributes:
        tests: How each test ended, by its id.
        used: Functions (`path::name`), files (`path`) and listed folders (`path/`), by test id and by fixture
            (`fixture:name`).
    """

    tests: dict[str, Outcome] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Record":
        """The record in a file; empty if there is none."""
        if not path.exists():
            return cls()
        stored = json.loads(path.read_text())
        names = stored["names"]
        tests = {
            test: Outcome(outcome["seconds"], outcome["is_failed"], tuple(outcome["fixtures"]))
            for test, outcome in stored["tests"].items()
        }
        used = {context: {names[number] for number in numbers} for context, numbers in stored["used"].items()}
        return cls(tests, used)

    def save(self, path: Path) -> None:
        """Write the record; a reader sees the earlier one or this one."""
        names = sorted(set().union(*self.used.values()))
        numbers = {name: number for number, name in enumerate(names)}
        stored = {
            "tests": {test: asdict(outcome) for test, outcome in sorted(self.tests.items())},
            "names": names,
            "used": {context: sorted(numbers[name] for name in used) for context, used in sorted(self.used.items())},
        }
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(json.dumps(stored))
        partial.replace(path)

    def add_run(self, outcomes: Mapping[str, Outcome], measured: Mapping[str, set[str]]) -> None:
        """Replace what is known of the tests that ran.

        Args:
            outcomes: How each of them ended.
            measured: What each test and fixture used.
        """
        # a fixture of a run of few tests may have found what it sets up, so it adds to what is known
        for context, used in measured.items():
            if context.startswith(FIXTURE):
                self.used[context] = self.used.get(context, set()) | used
        for test, outcome in outcomes.items():
            self.tests[test] = outcome
            self.used[test] = set(measured.get(test, set()))

    def forget(self, tests: Iterable[str]) -> None:
        """Remove tests that are no longer there."""
        for test in tests:
            self.tests.pop(test, None)
            self.used.pop(test, None)

    def find_tests(self, names: set[str]) -> set[str]:
        """Tests that used one of the functions, files or folders, by themselves or through a fixture."""
        hit = {context for context, used in self.used.items() if not used.isdisjoint(names)}
        return {test for test, outcome in self.tests.items() if test in hit or hit & set(_name_contexts(outcome))}

    def find_names(self) -> set[str]:
        """Everything that any test used."""
        return set().union(*self.used.values())


def _name_contexts(outcome: Outcome) -> Iterator[str]:
    return (f"{FIXTURE}{name}" for name in outcome.fixtures)


def read_measured(folder: Path) -> dict[str, set[str]]:
    """What each test and fixture used, from what the processes of one run have left.

    Args:
        folder: Databases of coverage.py and lists of opened files.
    """
    measured: dict[str, set[str]] = {}
    known: dict[str, Symbols | None] = {}
    for found in sorted(folder.glob("*.files.json")):
        for context, name in json.loads(found.read_text()):
            # a file that the test itself made below the current folder is none of the repository
            if (Path(ROOT) / name).exists():
                measured.setdefault(context, set()).add(name)
    for database in sorted([*folder.glob("tests.*"), *folder.glob("process.*")]):
        for context, path, lines in _read_lines(database):
            if (symbols := _parse_once(known, path)) and (name := find_name(path)):
                measured.setdefault(context, set()).update(f"{name}::{body}" for body in symbols.find_bodies(lines))
    measured.pop("", None)
    return measured


def _read_lines(database: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Context, path and lines in one database of coverage.py; none in one whose process was killed while writing."""
    import sqlite3

    from coverage.numbits import numbits_to_nums

    sql = (
        "select context.context, file.path, numbits from line_bits"
        " join context on context.id = context_id join file on file.id = file_id where context.context <> ''"
    )
    connection = sqlite3.connect(database)
    try:
        for context, path, numbits in connection.execute(sql):
            yield context, path, numbits_to_nums(numbits)
    except sqlite3.DatabaseError:
        return
    finally:
        connection.close()


def _parse_once(known: dict[str, Symbols | None], path: str) -> Symbols | None:
    if path not in known:
        try:
            known[path] = read_symbols(Path(path).read_text())
        except (OSError, SyntaxError, ValueError):
            known[path] = None
    return known[path]
