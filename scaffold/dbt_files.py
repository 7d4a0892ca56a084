"""Which file of the dbt project defines what and reads what, from the texts alone: parsing with dbt takes seconds."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import yaml

from scaffold.tree import Tree

_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
_SOURCE = re.compile(r"""\bsource\(\s*['"](\w+)['"]\s*,""")
_METRIC = re.compile(r"""\bmetric\(\s*['"](\w+)['"]\s*\)""")
_MACRO = re.compile(r"{%-?\s*macro\s+(\w+)\s*\(")
# what a yml file describes, by key: the field that names the described node
_DESCRIBED = {"models": "name", "seeds": "name", "snapshots": "name", "unit_tests": "model"}


@dataclass(frozen=True)
class DbtNode:
    """A model, seed or singular test.

    Attributes:
        name: Its name, which is the stem of its file.
        path: Its file.
        refs: Models and seeds that it reads.
        sources: dbt sources that it reads.
    """

    name: str
    path: str
    refs: frozenset[str]
    sources: frozenset[str]


@dataclass(frozen=True)
class Described:
    """What a yml file describes.

    Attributes:
        nodes: Models and seeds.
        sources: dbt sources.
        exposures: Tables of each exposure and of the metrics that it shows, by its name.
    """

    nodes: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    exposures: dict[str, set[str]] = field(default_factory=dict)


class DbtFiles:
    """The dbt project of a repository.

    Args:
        tree: The repository.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @cached_property
    def nodes(self) -> dict[str, DbtNode]:
        """Models, seeds and singular tests by name."""
        found = self._tree.list_files("dbt/models/", ".sql")
        found += self._tree.list_files("dbt/seeds/", ".csv")
        found += [path for path in self._tree.list_files("dbt/tests/", ".sql") if "/generic/" not in path]
        return {PurePosixPath(path).stem: self._read_node(path) for path in found}

    @cached_property
    def macros(self) -> dict[str, list[str]]:
        """Names of the macros of each macro file."""
        return {path: _MACRO.findall(self._tree.read(path)) for path in self._tree.list_files("dbt/macros/", ".sql")}

    @cached_property
    def described(self) -> dict[str, Described]:
        """What each yml file of the project describes."""
        folders = ("dbt/models/", "dbt/metrics/", "dbt/seeds/", "dbt/tests/")
        return {path: self._read_yml(path) for folder in folders for path in self._tree.list_files(folder, ".yml")}

    @cached_property
    def metric_tables(self) -> dict[str, frozenset[str]]:
        """Tables of each metric: those of its file, which belongs to the source of its tables."""
        found: dict[str, frozenset[str]] = {}
        for path in self._tree.list_files("dbt/metrics/", ".yml"):
            content = self._load(path)
            tables = frozenset(_list_semantic_tables(content))
            found |= {metric["name"]: tables for metric in content.get("metrics") or []}
        return found

    @cached_property
    def upstream(self) -> dict[str, frozenset[str]]:
        """The registered sources whose rows reach each node; empty for seeds and for what takes all sources."""
        registered = frozenset(self._tree.source_names)
        found: dict[str, frozenset[str]] = {}
        for name in self.nodes:
            self._collect_upstream(name, registered, found)
        return found

    @cached_property
    def readers(self) -> dict[str, set[str]]:
        """Names of the nodes that read each node."""
        readers: dict[str, set[str]] = {}
        for node in self.nodes.values():
            for ref in node.refs:
                readers.setdefault(ref, set()).add(node.name)
        return readers

    def _collect_upstream(self, name: str, registered: frozenset[str], found: dict[str, frozenset[str]]) -> None:
        if name in found or name not in self.nodes:
            return
        node = self.nodes[name]
        # set first: a model that reads itself ends here
        found[name] = node.sources & registered
        for ref in node.refs:
            self._collect_upstream(ref, registered, found)
            found[name] |= found.get(ref, frozenset())

    def _read_node(self, path: str) -> DbtNode:
        text = self._tree.read(path) if path.endswith(".sql") else ""
        refs, sources = frozenset(_REF.findall(text)), frozenset(_SOURCE.findall(text))
        return DbtNode(PurePosixPath(path).stem, path, refs, sources)

    def _read_yml(self, path: str) -> Described:
        content = self._load(path)
        described = Described()
        for key, named_by in _DESCRIBED.items():
            described.nodes.update(entry[named_by] for entry in content.get(key) or [])
        described.nodes.update(_list_semantic_tables(content))
        described.sources.update(entry["name"] for entry in content.get("sources") or [])
        for entry in content.get("exposures") or []:
            depends_on = " ".join(entry.get("depends_on") or [])
            tables = [self.metric_tables.get(metric, frozenset()) for metric in _METRIC.findall(depends_on)]
            described.exposures[entry["name"]] = {*_REF.findall(depends_on)}.union(*tables)
        return described

    def _load(self, path: str) -> dict[str, Any]:
        return yaml.safe_load(self._tree.read(path)) or {}


def _list_semantic_tables(content: dict[str, Any]) -> list[str]:
    return [name for entry in content.get("semantic_models") or [] for name in _REF.findall(entry["model"])]
