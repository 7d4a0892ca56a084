"""What a change touches: sources, models, metrics, pages, notebooks, documents and specialists, and the tests of it.

The tests are selected from the record of what each of them used (`recording.py`). A changed function selects the tests
that ran it; a changed constant or signature, those that ran what uses it (`code_graph.py`); a model, seed or yml file,
those that built it or read its file; a macro, those that built a model or test that uses it; any other file, those that
opened it. A file that nothing covers is reported as covered by nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from data_stack.settings import PROJECT_ROOT, Settings
from scaffold.changes import Change, find_changes, list_documents, list_python_files, name_files
from scaffold.code_graph import CodeGraph, Key
from scaffold.lineage import Lineage, Node, read_lineage
from scaffold.owners import find_owner
from scaffold.record import RECORD_FILE, Record
from scaffold.symbols import MODULE

# what every model and test of dbt can depend on
_DBT_SHARED = ("dbt/dbt_project.yml", "dbt/profiles.yml", "dbt/macros/")


@dataclass
class Tests:
    """The tests that cover changed files.

    Attributes:
        selected: Ids of tests of the record.
        files: Test files that are new to the record, or have new tests.
        by_file: How many tests cover each changed file.
        recorded: How many tests the record has; 0 without a record.
        seconds: How long the selected tests took when they were recorded.
    """

    selected: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    by_file: dict[str, int] = field(default_factory=dict)
    recorded: int = 0
    seconds: float = 0.0

    @property
    def uncovered(self) -> list[str]:
        """Changed files that no test covers."""
        return [path for path, count in self.by_file.items() if not count]


@dataclass
class Impact:
    """What a change touches.

    Attributes:
        files: Changed files.
        sources: Names of the sources whose data goes through the files.
        nodes: Nodes of the lineage that the files define, that import them, and that are downstream of these.
        documents: Documents that name a file, and those of its folder.
        owners: Specialists of the files.
        tests: The tests that cover the files.
    """

    files: list[str]
    sources: list[str]
    nodes: list[Node]
    documents: list[str]
    owners: list[str]
    tests: Tests

    def list_names(self, *kinds: str) -> list[str]:
        """Names of the nodes of these kinds."""
        return [node.name for node in self.nodes if node.kind in kinds]

    def describe(self) -> dict[str, Any]:
        """The impact as values of JSON."""
        tests = {"selected": sorted(self.tests.selected), "new_files": sorted(self.tests.files)}
        record = {"recorded": self.tests.recorded, "seconds": round(self.tests.seconds, 1)}
        return {
            "files": self.files,
            "sources": self.sources,
            "models": self.list_names("model", "seed"),
            "dbt_tests": self.list_names("test"),
            "metrics": self.list_names("metric"),
            "pages": self.list_names("page"),
            "notebooks": self.list_names("notebook"),
            "documents": self.documents,
            "owners": self.owners,
            "tests": tests | record | {"uncovered": self.tests.uncovered},
        }


def find_impact(settings: Settings, files: Sequence[str], base: str | None) -> Impact:
    """What the named files, or without names the git diff, touch.

    Args:
        settings: Whose `data_dir` keeps dbt's parse.
        files: Paths; each counts as changed in all its parts.
        base: Commit to compare with; None takes the one where this branch left main.

    Raises:
        UsageError: A file or the commit does not exist.
        TerminalError: dbt cannot parse the project.
    """
    changes = name_files(files) if files else find_changes(base)
    graph = CodeGraph.read(list_python_files())
    lineage = read_lineage(settings)
    own = find_own_nodes(changes, graph, lineage)
    downstream = lineage.find_downstream(own)
    paths = [change.path for change in changes]
    return Impact(
        files=paths,
        sources=lineage.find_sources(own),
        nodes=[node for node in lineage.nodes.values() if node in own or node in downstream],
        documents=find_documents(paths),
        owners=sorted({owner for path in paths if (owner := find_owner(path))}),
        tests=select_tests(changes, graph, lineage, Record.load(PROJECT_ROOT / RECORD_FILE)),
    )


def find_tests(settings: Settings) -> Tests:
    """The tests that cover the git diff; without a changed file of dbt, the project is not parsed.

    Args:
        settings: Whose `data_dir` keeps dbt's parse.
    """
    changes = find_changes(None)
    is_dbt = any(change.path.startswith("dbt/") for change in changes)
    lineage = read_lineage(settings) if is_dbt else Lineage()
    record = Record.load(PROJECT_ROOT / RECORD_FILE)
    return select_tests(changes, CodeGraph.read(list_python_files()), lineage, record)


def select_tests(changes: Iterable[Change], graph: CodeGraph, lineage: Lineage, record: Record) -> Tests:
    """The tests of the record that a change can make fail, and the files of tests that are not recorded yet.

    Args:
        changes: Changed files.
        graph: Who uses which definition, in the present code.
        lineage: The present lineage.
        record: What each test used.
    """
    tests = Tests(recorded=len(record.tests))
    for change in changes:
        used = _name_parts(change, graph) | _name_dbt_files(change, lineage)
        used |= {f"{PurePosixPath(change.path).parent}/"} if change.is_listed else set()
        found = record.find_tests(used | {change.path})
        is_new = _has_new_tests(change, record)
        tests.selected |= found
        tests.files |= {change.path} if is_new else set()
        tests.by_file[change.path] = len(found) + is_new
    # a test that failed says nothing about a change until it has passed
    tests.selected |= {test for test, outcome in record.tests.items() if outcome.is_failed and tests.by_file}
    tests.seconds = sum(record.tests[test].seconds for test in tests.selected)
    return tests


def _name_parts(change: Change, graph: CodeGraph) -> set[str]:
    """Names in the record of the functions that a change of Python code can affect."""
    affected = graph.find_affected(change.parts)
    names = {key.recorded for key in affected if key.is_body}
    # what is run instead of imported runs its definitions in the test
    scripts = {key.path for key in affected if not key.is_body and not graph.is_imported(key.path)}
    return names | {Key(path, MODULE, False).recorded for path in scripts}


def _name_dbt_files(change: Change, lineage: Lineage) -> set[str]:
    """Files of the dbt nodes whose build a change can affect."""
    if not change.path.startswith("dbt/"):
        return set()
    nodes = lineage.find_of_file(change.path)
    if not nodes and change.path.startswith(_DBT_SHARED):
        nodes = [node for node in lineage.nodes.values() if node.kind in ("model", "seed", "test")]
    return {file for node in nodes for file in node.files}


def _has_new_tests(change: Change, record: Record) -> bool:
    """Whether a test file has tests that the record does not know."""
    if not re.fullmatch(r"tests/(?:.+/)?test_\w+\.py", change.path) or not (PROJECT_ROOT / change.path).exists():
        return False
    known = {test.partition("[")[0] for test in record.tests}
    names = {key.name for key in change.parts if key.name.rpartition(".")[2].startswith("test_")}
    return not {f"{change.path}::{name.replace('.', '::')}" for name in names} <= known


def find_own_nodes(changes: Iterable[Change], graph: CodeGraph, lineage: Lineage) -> list[Node]:
    """The nodes that changed files define, and those whose files import a changed file.

    Args:
        changes: Changed files.
        graph: Who imports which file.
        lineage: The nodes.
    """
    paths = {path for change in changes for path in _list_importers(change.path, graph)}
    own = {node.id for path in paths for node in lineage.find_of_file(path)}
    return [node for node in lineage.nodes.values() if node.id in own]


def _list_importers(path: str, graph: CodeGraph) -> set[str]:
    return graph.find_importers(path) if path.endswith(".py") else {path}


def find_documents(paths: Iterable[str]) -> list[str]:
    """Documents that name one of the files, and the CLAUDE.md of its module.

    Args:
        paths: Relative to the repository.
    """
    changed, documents = list(paths), list_documents()
    found = {path for path in changed if path.endswith(".md")}
    for path in changed:
        file = PurePosixPath(path)
        found |= {f"{parent}/CLAUDE.md" for parent in file.parents} & set(documents)
        # the CLAUDE.md of a module names its files without the folder
        pattern = re.compile(rf"(?<![\w/-])(?:{re.escape(path)}|{re.escape(file.name)})(?!\w)")
        found |= {document for document, text in documents.items() if pattern.search(text) and document != path}
    return sorted(found)
