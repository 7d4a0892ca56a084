"""Which files belong to a source, found by their names and by their use, and what cannot live without the source.

A dbt model, a page and what belongs to them are owned by lineage: every raw source that reaches them is this one. Other
files are owned by name, and a helper module that names the source is owned when only owned modules import it.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from data_stack.settings import PROJECT_ROOT
from scaffold.dbt_files import DbtFiles
from scaffold.table_readers import TableReader, find_table_readers
from scaffold.tree import SOURCES_FOLDER, Tree

GENERATED_FOLDER = "scaffold/generated"
# files that a name alone makes a source's; `airflow/` has one DAG for all sources
_BY_NAME = (
    f"{SOURCES_FOLDER}/",
    "dlt_pipeline/",
    "data_quality/suites/",
    f"{GENERATED_FOLDER}/",
    "tests/",
)
# a module of the platform's toolbox has one user by chance; the parts of a source are here
_BY_IMPORT = ("dlt_pipeline/sample/", "tests/")
_STEMS = (
    r"{name}(_.*)?",
    r"_{name}__.*",
    r"(stg|int)_{name}__.*",
    r"test_{name}(_.*)?",
    r"test_(sample|golden|app)_{name}(_.*)?",
)


@dataclass(frozen=True)
class Ownership:
    """Files of a source.

    Attributes:
        source_name: The source.
        owned: Why each file of the source is owned, by path.
        dependents: Why each shared file cannot live without the source, by path.
    """

    source_name: str
    owned: dict[str, str]
    dependents: dict[str, str]


def find_owned_files(source_name: str, root: Path = PROJECT_ROOT) -> list[str]:
    """Find the files that belong to a source.

    Args:
        source_name: A source of the registry.
        root: Folder of the repository.

    Returns:
        Paths relative to the root, sorted.
    """
    return sorted(OwnershipFinder(Tree(root)).find_owned(source_name))


def find_dependents(source_name: str, root: Path = PROJECT_ROOT) -> list[str]:
    """Find the shared files that cannot live without a source, and what cannot live without those.

    Args:
        source_name: A source of the registry.
        root: Folder of the repository.

    Returns:
        Paths relative to the root, sorted; none of them is owned by the source.
    """
    return sorted(OwnershipFinder(Tree(root)).find(source_name).dependents)


def explain(source_name: str, root: Path = PROJECT_ROOT) -> Ownership:
    """Find the files of a source and its dependents, each with the reason."""
    return OwnershipFinder(Tree(root)).find(source_name)


def has_stem_of(stem: str, name: str) -> bool:
    """Whether a file's stem is one of the names that the files of a source have."""
    return any(re.fullmatch(pattern.format(name=re.escape(name)), stem) for pattern in _STEMS)


class OwnershipFinder:
    """Finds the files of sources in one state of a repository.

    Args:
        tree: The repository.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.dbt = DbtFiles(tree)

    def find(self, source_name: str) -> Ownership:
        """Find the owned files of a source and its dependents."""
        from scaffold.dependents import find_dependent_files, find_specifications
        from scaffold.generated_record import read_record

        owned = self.find_owned(source_name)
        record = read_record(self.tree.root, source_name)
        unrelated = record.named_before if record else ()
        dependents = find_dependent_files(self, source_name, owned, unrelated)
        return Ownership(source_name, owned, dependents | find_specifications(self, source_name))

    def find_owned(self, source_name: str) -> dict[str, str]:
        """Find why each owned file of a source is owned, by path."""
        owned = dict.fromkeys(self._find_named(source_name), "its name")
        owned |= self._find_dbt(source_name)
        owned |= self._find_readers(source_name)
        owned |= self._find_generated(source_name)
        self._add_imported(owned, source_name)
        return dict(sorted(owned.items()))

    def find_named_by(self, path: str, names: list[str]) -> str | None:
        """Find whose name a file or one of its folders has; the longest name wins: `bike_share.py` is not `bike`'s."""
        if not path.startswith(_BY_NAME) or path in self._reader_files:
            return None
        parts = PurePosixPath(path)
        folders = set(parts.parts[1:-1])
        claims = [name for name in names if name in folders or has_stem_of(parts.name.split(".")[0], name)]
        return max(claims, key=len, default=None)

    @cached_property
    def readers(self) -> list[TableReader]:
        """Pages, cards of the start page and notebooks."""
        return find_table_readers(self.tree, self.dbt)

    @cached_property
    def _reader_files(self) -> set[str]:
        return {path for reader in self.readers for path in reader.files}

    def _find_named(self, source_name: str) -> list[str]:
        names = self.tree.source_names
        return [path for path in self.tree.files if self.find_named_by(path, names) == source_name]

    def _find_dbt(self, source_name: str) -> dict[str, str]:
        mine = frozenset({source_name})
        nodes = {name for name, sources in self.dbt.upstream.items() if sources == mine}
        owned = {self.dbt.nodes[name].path: f"all its rows come from {source_name}" for name in nodes}
        seeds = self.find_seeds_only_of(nodes)
        owned |= {self.dbt.nodes[name].path: f"only models of {source_name} read it" for name in seeds}
        owned |= self._find_macros(source_name, nodes)
        for path, described in self.dbt.described.items():
            if (
                (described.nodes or described.sources)
                and described.nodes <= nodes | seeds
                and described.sources <= mine
            ):
                owned[path] = "it describes only what is owned"
        return owned

    def find_seeds_only_of(self, nodes: set[str]) -> set[str]:
        """Find the seeds that only these nodes read."""
        seeds = {name for name, node in self.dbt.nodes.items() if node.path.startswith("dbt/seeds/")}
        return {name for name in seeds if self.dbt.readers.get(name, set()) and self.dbt.readers[name] <= nodes}

    def _find_macros(self, source_name: str, nodes: set[str]) -> dict[str, str]:
        owned: dict[str, str] = {}
        for path in self.list_macro_files(source_name):
            pattern = re.compile(rf"\b({'|'.join(self.dbt.macros[path])})\b")
            users = {node.name for node in self.dbt.nodes.values() if pattern.search(self.tree.read(node.path))}
            if users and users <= nodes:
                owned[path] = f"its name, and only models of {source_name} use it"
        return owned

    def list_macro_files(self, source_name: str) -> list[str]:
        """List the macro files with the name of a source."""
        return [
            path
            for path, macros in self.dbt.macros.items()
            if macros and has_stem_of(PurePosixPath(path).stem, source_name)
        ]

    def _find_readers(self, source_name: str) -> dict[str, str]:
        mine, owned = frozenset({source_name}), dict[str, str]()
        for reader in self.readers:
            upstream = [self.dbt.upstream[table] for table in reader.tables]
            if mine in upstream and all(sources <= mine for sources in upstream):
                owned |= dict.fromkeys(reader.files, f"every table that the {reader.kind} {reader.name} reads is owned")
        return owned

    def _find_generated(self, source_name: str) -> dict[str, str]:
        from scaffold.generated_record import read_record

        record, existing = read_record(self.tree.root, source_name), set(self.tree.files)
        written = record.files if record else {}
        return dict.fromkeys((path for path in written if path in existing), "new-source wrote it")

    def _add_imported(self, owned: dict[str, str], source_name: str) -> None:
        """Add the helper modules that only owned modules import, until there is none left."""
        words = re.compile(rf"(?<![A-Za-z0-9]){re.escape(source_name)}(?![A-Za-z0-9])", re.IGNORECASE)
        while True:
            found = [
                path
                for path, importers in self.tree.importers.items()
                if path.startswith(_BY_IMPORT)
                and path not in owned
                and PurePosixPath(path).stem not in ("__init__", "conftest")
                and importers <= owned.keys()
                and words.search(self.tree.read(path))
            ]
            if not found:
                return
            owned |= dict.fromkeys(found, "only owned modules import it, and it names the source")
