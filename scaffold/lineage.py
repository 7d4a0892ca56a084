"""How the data flows: provider, reader, raw tables, suite, dbt models with their tests, metrics, pages, notebooks.

The graph is read from what runs: the registry, the readers' tables, the suites, dbt's manifest with the exposures. Each
node has the files that define it, the specialist who owns them, and the task of the DAG that runs it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from data_stack.errors import NotFoundError
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from scaffold.owners import find_owner

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# in the order in which data reaches them
KINDS = ("provider", "reader", "raw table", "suite", "seed", "model", "test", "metric", "page", "notebook")
_LAYERS = ("staging", "intermediate", "core", "marts")
_BUILD_TASK = "dbt_build"
_EXPOSURES = {"dashboard": "page"}


@dataclass(frozen=True)
class Node:
    """Something that data goes through.

    Attributes:
        kind: One of `KINDS`.
        name: Name among those of its kind; that of a raw table is `bike.trips`.
        files: Files that define it, relative to the repository; the one to change first is the first.
        task: Task of the DAG that runs it; None for what reads the published file.
        layer: Schema of a model.
        depends_on: dbt's names of the macros that a model or a test uses.
    """

    kind: str
    name: str
    files: tuple[str, ...]
    task: str | None = None
    layer: str | None = None
    depends_on: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Its name among all nodes, as a page and a source can have the same name."""
        return f"{self.kind} {self.name}"

    @property
    def owner(self) -> str | None:
        """The specialist of its first file that has one."""
        return next((owner for file in self.files if (owner := find_owner(file))), None)

    def describe(self) -> dict[str, Any]:
        """The node as values of JSON."""
        files = {"files": list(self.files), "task": self.task, "owner": self.owner}
        return {"kind": self.kind, "name": self.name, "layer": self.layer, **files}


@dataclass
class Lineage:
    """The nodes and how data goes from one to the next.

    Attributes:
        nodes: By their ids, in the order of `KINDS`.
        edges: Ids that data goes to from each id.
        macros: File of each macro, by dbt's name for it.
        called_macros: Macros that each macro calls.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[str, set[str]] = field(default_factory=dict)
    macros: dict[str, str] = field(default_factory=dict)
    called_macros: dict[str, set[str]] = field(default_factory=dict)

    def add(self, node: Node, upstream: Iterable[str] = ()) -> None:
        """Add a node.

        Args:
            node: The node.
            upstream: Ids of the nodes that its data comes from.
        """
        self.nodes[node.id] = node
        for before in upstream:
            self.edges.setdefault(before, set()).add(node.id)

    def find_nodes(self, name: str) -> list[Node]:
        """The nodes of a name.

        Args:
            name: A source, a raw table (`trips`, `bike.trips`), a model (`fct_trips`, `core.fct_trips`), a
                metric, a page, a notebook, a kind and a name (`page transactions`), or a file. A name of several kinds
                is that of the first of `KINDS`, so that a source comes before a page.

        Raises:
            NotFoundError: There is no such node; names similar ones.
        """
        by_name = [node for node in self.nodes.values() if name in _list_names(node)]
        if by_name:
            return [node for node in by_name if node.kind == by_name[0].kind]
        by_file = [node for node in self.nodes.values() if name in node.files]
        if by_file:
            return by_file
        names = sorted({other for node in self.nodes.values() for other in (node.name, *node.files)})
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
        hint = f"similar names are {', '.join(near)}" if near else f"the sources are {', '.join(_name_sources())}"
        raise NotFoundError(f"the lineage has no node {name!r}; {hint}")

    def describe(self, name: str, up: bool = True, down: bool = True) -> dict[str, list[dict[str, Any]]]:
        """The nodes of a name, what their data comes from and what it reaches, as values of JSON.

        Args:
            name: As in `find_nodes`.
            up: With what their data comes from.
            down: With what it reaches.

        Raises:
            NotFoundError: There is no such node; names similar ones.
        """
        parts = self.find_around(name, up, down)
        return {part: [node.describe() for node in nodes] for part, nodes in parts.items()}

    def find_around(self, name: str, up: bool = True, down: bool = True) -> dict[str, list[Node]]:
        """As `describe`, with the nodes themselves."""
        found = self.find_nodes(name)
        return {
            "nodes": found,
            "upstream": self.find_upstream(found) if up else [],
            "downstream": self.find_downstream(found) if down else [],
        }

    def find_downstream(self, nodes: Iterable[Node]) -> list[Node]:
        """The nodes that data of these reaches, without these, in the order of the flow."""
        return self._follow(nodes, self.edges)

    def find_upstream(self, nodes: Iterable[Node]) -> list[Node]:
        """The nodes that data of these comes from, without these, in the order of the flow."""
        before: dict[str, set[str]] = {}
        for start, ends in self.edges.items():
            for end in ends:
                before.setdefault(end, set()).add(start)
        return self._follow(nodes, before)

    def _follow(self, nodes: Iterable[Node], edges: dict[str, set[str]]) -> list[Node]:
        starts = {node.id for node in nodes}
        found, unread = set[str](), list(starts)
        while unread:
            for reached in edges.get(unread.pop(), set()) - found:
                found.add(reached)
                unread.append(reached)
        return [node for name, node in self.nodes.items() if name in found - starts]

    def find_sources(self, nodes: Iterable[Node]) -> list[str]:
        """Names of the sources whose data is in the nodes, in the order of the registry."""
        chosen = list(nodes)
        providers = {node.name for node in [*chosen, *self.find_upstream(chosen)] if node.kind == "provider"}
        return [name for name in _name_sources() if name in providers]

    def find_of_file(self, path: str) -> list[Node]:
        """The nodes that a file defines, or that use the macro in it.

        Args:
            path: Relative to the repository.
        """
        macros = {name for name, file in self.macros.items() if file == path}
        if not macros:
            return [node for node in self.nodes.values() if path in node.files]
        while calling := {name for name, called in self.called_macros.items() if called & macros} - macros:
            macros |= calling
        return [node for node in self.nodes.values() if node.depends_on & macros]


def read_lineage(settings: Settings) -> Lineage:
    """The lineage of the project as it is in the repository.

    Args:
        settings: Whose `data_dir` keeps dbt's parse, apart from that of a build.

    Raises:
        TerminalError: dbt cannot parse the project.
    """
    from dbt_runner.build import parse_project

    manifest = parse_project(Settings.load(data_dir=settings.data_dir / "lineage"))
    lineage = Lineage()
    for source in SOURCES:
        _add_source(lineage, source)
    _add_dbt_nodes(lineage, manifest)
    _add_metrics(lineage, manifest)
    _add_exposures(lineage, manifest)
    lineage.macros = {name: _name_file(macro) for name, macro in manifest.macros.items() if _is_own(macro)}
    lineage.called_macros = {name: set(manifest.macros[name].depends_on.macros) for name in lineage.macros}
    lineage.nodes = {node.id: node for node in sorted(lineage.nodes.values(), key=_find_place)}
    return lineage


class LineageReader:
    """Describes nodes for a server: the project is read at the first question, once.

    Args:
        settings: As in `read_lineage`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._lineage: Lineage | None = None

    def __call__(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """See `Lineage.describe`.

        Args:
            name: As in `Lineage.find_nodes`.

        Raises:
            NotFoundError: There is no such node; names similar ones.
        """
        with self._lock:
            self._lineage = self._lineage or read_lineage(self._settings)
        return self._lineage.describe(name)


def _find_place(node: Node) -> tuple[int, int]:
    return KINDS.index(node.kind), _LAYERS.index(node.layer) if node.layer in _LAYERS else len(_LAYERS)


def _add_source(lineage: Lineage, source: Source) -> None:
    from dlt_pipeline.reader import find_reader

    name, ingest = source.name, f"ingest_{source.name}"
    sample = [f"dlt_pipeline/sample/{name}.py"] if (PROJECT_ROOT / f"dlt_pipeline/sample/{name}.py").exists() else []
    module = f"dlt_pipeline/{name}.py"
    provider = Node("provider", name, (f"data_stack/sources/{name}.py", *sample), ingest)
    reader = Node("reader", name, (module,), ingest)
    tables = [Node("raw table", f"{name}.{table.name}", (module,), ingest) for table in find_reader(name).tables]
    suite = Node("suite", name, (f"data_quality/suites/{name}.py",), f"validate_{name}")
    lineage.add(provider)
    lineage.add(reader, [provider.id])
    for table in tables:
        lineage.add(table, [reader.id])
    lineage.add(suite, [table.id for table in tables])


def _add_dbt_nodes(lineage: Lineage, manifest: "Manifest") -> None:
    kinds = {"model": "model", "seed": "seed", "test": "test", "unit_test": "test"}
    unit_tests = {**manifest.nodes, **manifest.unit_tests}
    found = {unique: node for unique, node in unit_tests.items() if str(node.resource_type) in kinds}
    names = {unique: f"{kinds[str(node.resource_type)]} {node.name}" for unique, node in found.items()}
    for unique, node in found.items():
        # a seed depends on macros only
        parents = getattr(node.depends_on, "nodes", ())
        upstream = [names[parent] for parent in parents if parent in names]
        upstream += [raw for parent in parents for raw in _find_raw(lineage, manifest, parent)]
        kind = names[unique].partition(" ")[0]
        layer = node.config.schema if kind == "model" else None
        macros = frozenset(getattr(node.depends_on, "macros", ()))
        lineage.add(Node(kind, node.name, tuple(_list_files(node)), _BUILD_TASK, layer, macros), upstream)


def _find_raw(lineage: Lineage, manifest: "Manifest", unique_id: str) -> Iterator[str]:
    """The raw table of a dbt source, and the suite whose passed loads staging reads."""
    source = manifest.sources.get(unique_id)
    raw = f"raw table {source.source_name}.{source.name}" if source else ""
    if source and raw in lineage.nodes:
        yield from (raw, f"suite {source.source_name}")


def _add_metrics(lineage: Lineage, manifest: "Manifest") -> None:
    """The metrics on models, and those on metrics; a semantic model is only a view of its model."""
    models = {name: one.depends_on.nodes for name, one in manifest.semantic_models.items()}
    for metric in manifest.metrics.values():
        parents = [model for parent in metric.depends_on.nodes for model in models.get(parent, [parent])]
        upstream = [_name_parent(parent) for parent in parents]
        lineage.add(Node("metric", metric.name, (_name_file(metric),)), upstream)


def _add_exposures(lineage: Lineage, manifest: "Manifest") -> None:
    for exposure in manifest.exposures.values():
        kind = _EXPOSURES.get(str(exposure.type), "notebook")
        upstream = [_name_parent(parent) for parent in exposure.depends_on.nodes]
        quoted = re.findall(r"`([^`]+)`", exposure.description)
        name = exposure.name.removeprefix(f"{kind}_")
        beside = [f"streamlit_app/queries/{name}.py"] if kind == "page" else []
        files = [file for file in [*quoted[:1], *beside, _name_file(exposure)] if (PROJECT_ROOT / file).exists()]
        lineage.add(Node(kind, name, tuple(files)), upstream)


def _name_parent(unique_id: str) -> str:
    """The id of a model or a metric, from dbt's name for it."""
    return f"{unique_id.partition('.')[0]} {unique_id.rpartition('.')[2]}"


def _list_files(node: Any) -> Iterator[str]:
    yield _name_file(node)
    # a model's description and tests, as data_stack://models/core/fct_trips.yml
    patch = getattr(node, "patch_path", None)
    if patch:
        yield f"dbt/{patch.partition('://')[2]}"


def _name_file(node: Any) -> str:
    return f"dbt/{node.original_file_path}"


def _is_own(macro: Any) -> bool:
    return bool(macro.package_name == "data_stack")


def _list_names(node: Node) -> set[str]:
    short = {node.name, node.name.rpartition(".")[2]} if node.kind == "raw table" else {node.name}
    qualified = {f"{node.layer}.{node.name}"} if node.layer else set[str]()
    raw = {f"raw.{name}" for name in short} if node.kind == "raw table" else set[str]()
    return {*short, *qualified, *raw, node.id, f"{node.kind}_{node.name}"}


def _name_sources() -> list[str]:
    return [source.name for source in SOURCES]
