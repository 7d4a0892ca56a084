"""What the checks compare: the facts of every layer, read side by side."""

import importlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT
from dlt_pipeline.reader import find_reader
from dlt_pipeline.tables import RawTable
from scaffold.conformance.processes import IN_PROCESS, Reading, start_reading
from scaffold.conformance.project import ProjectFacts, read_project
from scaffold.conformance.suites import SuiteFacts

# what a layer is compared with
_NEEDS = {
    "suites": ("suite", "tests"),
    "dags": ("dag",),
    "pages": ("page",),
}
_NEED_PROJECT = ("dbt", "page", "tests")


@dataclass
class Facts:
    """What is known about every source.

    Attributes:
        sources: Sources of the registry that are checked.
        readers: Reader class by source.
        problems: Why a layer cannot be read, by its name, and for readers by the source's name.
        suites: Suite by source.
        dags: Tasks by DAG file.
        pages: Pages, with the queries of their modules.
        project: The dbt project.
    """

    sources: tuple[Source, ...] = SOURCES
    readers: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    suites: dict[str, SuiteFacts] = field(default_factory=dict)
    dags: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, Any] = field(default_factory=dict)
    project: ProjectFacts = field(default_factory=ProjectFacts)

    def tables_of(self, source: Source) -> tuple[RawTable, ...]:
        """Raw tables of a source; none where its reader has a problem."""
        reader = self.readers.get(source.name)
        return tuple(reader.tables) if reader else ()

    def main_table(self, source: Source) -> RawTable | None:
        """The raw table that the registry names."""
        return next((table for table in self.tables_of(source) if table.name == source.table), None)


def has_file(path: str) -> bool:
    """Whether a path from the project's folder, or a pattern of it, exists."""
    return any(PROJECT_ROOT.glob(path))


def read_facts(sources: tuple[Source, ...], layers: Collection[str]) -> Facts:
    """Read what the checks of these layers compare; processes read the layers whose libraries are slow to import.

    Args:
        sources: Sources to check.
        layers: Names of layers.
    """
    facts = Facts(sources)
    readings = [] if os.environ.get(IN_PROCESS) else _start_readings(sources, layers)
    _find_readers(facts)
    if set(layers) & set(_NEED_PROJECT):
        facts.project = read_project()
    for reading in readings:
        try:
            _take_answer(facts, reading.module, reading.wait())
        except TerminalError as error:
            facts.problems[reading.module] = str(error)
    if os.environ.get(IN_PROCESS):
        _read_here(facts, layers)
    return facts


def _read_here(facts: Facts, layers: Collection[str]) -> None:
    names = [source.name for source in facts.sources]
    for module, needed_by in _NEEDS.items():
        if set(layers) & set(needed_by):
            read = importlib.import_module(f"{__package__}.{module}").read
            _take_answer(facts, module, json.loads(json.dumps(read(names), default=str)))


def _start_readings(sources: tuple[Source, ...], layers: Collection[str]) -> list[Reading]:
    names = [source.name for source in sources]
    return [
        start_reading(module, *(names if module == "suites" else []))
        for module, needed_by in _NEEDS.items()
        if set(layers) & set(needed_by) and (names or module != "suites")
    ]


def _find_readers(facts: Facts) -> None:
    for source in facts.sources:
        try:
            facts.readers[source.name] = find_reader(source.name)
        except Exception as error:
            facts.problems[source.name] = f"{type(error).__name__}: {error}"


def _take_answer(facts: Facts, module: str, answer: dict[str, Any]) -> None:
    if module == "suites":
        facts.suites = {name: SuiteFacts.from_json(found) for name, found in answer.items()}
    elif module == "dags":
        facts.dags = answer
    else:
        facts.pages = answer
