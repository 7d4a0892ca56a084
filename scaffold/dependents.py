"""Shared files that cannot live without a source: joint models and pages, notebooks, and tests that use its parts."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaffold.ownership import OwnershipFinder

# what is removed with a source; any other file that needs one keeps it from being removed
_REMOVABLE = (
    "dbt/",
    "streamlit_app/app_pages/",
    "streamlit_app/home_cards/",
    "streamlit_app/queries/",
    "notebooks/",
    "tests/",
    "benchmarks/",
)
QUESTIONS = "tests/serving/questions/"
_IS_LAYERED = re.compile(r"(stg|int|fct|dim|mart|assert)_|days_of_")


def find_dependent_files(
    finder: "OwnershipFinder", source_name: str, owned: Iterable[str], unrelated: Iterable[str] = ()
) -> dict[str, str]:
    """Find the shared files that cannot live without a source, transitively.

    Args:
        finder: The repository.
        source_name: The source.
        owned: Files of the source.
        unrelated: Tests that use the name for something else.

    Returns:
        The reason of each file, by path, sorted.
    """
    return dict(sorted(_Dependents(finder, source_name, set(owned), unrelated).find().items()))


def find_naming_tests(finder: "OwnershipFinder", name: str) -> list[str]:
    """Find the tests that use the name of a source that does not exist yet.

    Args:
        finder: The repository.
        name: The name.
    """
    return sorted(_Dependents(finder, name, set()).find_tests())


def find_specifications(finder: "OwnershipFinder", source_name: str) -> dict[str, str]:
    """Find the specifications that name more files of this source than of any other.

    Args:
        finder: The repository.
        source_name: The source.

    Returns:
        The reason of each file in their folders, by path.
    """
    tree, owned = finder.tree, {name: finder.find_owned(name) for name in finder.tree.source_names}
    folders: dict[str, list[str]] = {}
    for path in tree.list_files("context/spec/"):
        folders.setdefault("/".join(path.split("/")[:3]), []).append(path)
    found: dict[str, str] = {}
    for paths in folders.values():
        words = set(re.findall(r"[\w./-]*\w", "\n".join(map(tree.read, paths))))
        named = {name: len(words & files.keys()) for name, files in owned.items()}
        if max(named.values(), default=0) and max(named, key=lambda name: named[name]) == source_name:
            found |= dict.fromkeys(paths, f"it specifies {source_name}")
    return {path: reason for path, reason in found.items() if path not in owned[source_name]}


def find_blockers(finder: "OwnershipFinder", removed: set[str]) -> dict[str, str]:
    """Find the files that would stay and import a removed one.

    Args:
        finder: The repository.
        removed: Files that are to be removed.

    Returns:
        The removed file that each of them imports, by path.
    """
    importers = finder.tree.importers
    return {path: gone for gone in sorted(removed) for path in sorted(importers.get(gone, set()) - removed)}


class _Dependents:
    def __init__(
        self, finder: "OwnershipFinder", source_name: str, owned: set[str], unrelated: Iterable[str] = ()
    ) -> None:
        self._finder = finder
        self._tree, self._dbt = finder.tree, finder.dbt
        self._source_name = source_name
        self._removed = set(owned)
        self._unrelated = set(unrelated)
        self._others = {
            path for name in self._tree.source_names if name != source_name for path in finder.find_owned(name)
        }
        self._reasons: dict[str, str] = {}

    def find(self) -> dict[str, str]:
        steps: list[Callable[[], dict[str, str]]] = [
            self._find_nodes,
            self._find_yml,
            self._find_macros,
            self._find_readers,
            self._find_importers,
            self._find_questions,
            self.find_tests,
        ]
        while True:
            known = len(self._removed)
            for step in steps:
                self._add(step())
            if len(self._removed) == known:
                return self._reasons

    def _add(self, found: dict[str, str]) -> None:
        new = {
            path: reason
            for path, reason in found.items()
            if path.startswith(_REMOVABLE) and path not in self._removed | self._others
        }
        self._reasons |= new
        self._removed |= new.keys()

    def _removed_nodes(self) -> set[str]:
        return {name for name, node in self._dbt.nodes.items() if node.path in self._removed}

    def _removed_layered_nodes(self) -> set[str]:
        """Those whose names are no common words."""
        return {name for name in self._removed_nodes() if _IS_LAYERED.match(name)}

    def _find_nodes(self) -> dict[str, str]:
        gone = self._removed_nodes()
        reading = {node.path: sorted(node.refs & gone) for node in self._dbt.nodes.values()}
        found = {path: f"it reads {', '.join(refs)}" for path, refs in reading.items() if refs}
        by_source = (node.path for node in self._dbt.nodes.values() if self._source_name in node.sources)
        found |= dict.fromkeys(by_source, f"it reads the source {self._source_name}")
        seeds = self._finder.find_seeds_only_of(gone)
        return found | {self._dbt.nodes[name].path: "nothing else reads it" for name in seeds}

    def _find_yml(self) -> dict[str, str]:
        gone = self._removed_nodes()
        found: dict[str, str] = {}
        for path, described in self._dbt.described.items():
            tables = [refs for refs in described.exposures.values() if refs & gone]
            if described.nodes & gone and not described.nodes - gone:
                found[path] = f"it describes {', '.join(sorted(described.nodes))}"
            elif tables and len(tables) == len(described.exposures):
                found[path] = f"its reader needs {', '.join(sorted(set().union(*tables) & gone))}"
        return found

    def _find_macros(self) -> dict[str, str]:
        return dict.fromkeys(self._finder.list_macro_files(self._source_name), "its name")

    def _find_readers(self) -> dict[str, str]:
        gone, found = self._removed_nodes(), dict[str, str]()
        for reader in self._finder.readers:
            missing = sorted(reader.tables & gone)
            if missing or self._removed.intersection(reader.code):
                reason = f"the {reader.kind} {reader.name} reads {', '.join(missing)}"
                found |= dict.fromkeys(
                    reader.files, reason if missing else f"it belongs to the {reader.kind} {reader.name}"
                )
        return found

    def _find_importers(self) -> dict[str, str]:
        blockers = find_blockers(self._finder, self._removed)
        return {path: f"it imports {gone}" for path, gone in blockers.items() if not path.endswith("conftest.py")}

    def _find_questions(self) -> dict[str, str]:
        """Find the questions to agents whose SQL reads a removed model."""
        gone, found = self._removed_layered_nodes(), dict[str, str]()
        for path in self._tree.list_files(QUESTIONS, ".yml"):
            used = sorted(gone & set(re.findall(r"\w+", self._tree.read(path))))
            if used:
                found[path] = f"its SQL reads {', '.join(used)}"
        return found

    def find_tests(self) -> dict[str, str]:
        """Find the tests and benchmarks that name the source or what is removed with it as a text."""
        layered = self._removed_layered_nodes()
        words = re.compile(rf"(?<!\w)({'|'.join(sorted({*layered, f'raw_{self._source_name}'}))})(?!\w)")
        # a page whose name is one common word is opened by tests that import its queries, too
        readers = (one for one in self._finder.readers if "_" in one.name and self._removed.intersection(one.code))
        pages = {one.name for one in readers if one.kind == "page"}
        names = {self._source_name, *pages}
        found: dict[str, str] = {}
        for path in self._list_tests():
            texts = self._tree.list_strings(path)
            used = sorted(
                {text for text in texts if text in names} | {hit for text in texts for hit in words.findall(text)}
            )
            if used:
                found[path] = f"it uses {', '.join(used)}"
        return found

    def _list_tests(self) -> list[str]:
        # identities of several sources are found by the end of their names
        named = re.compile(r".*/(test_\w+|\w+_identities)\.py")
        tests = (path for path in self._tree.list_files("tests/", ".py") if named.fullmatch(path))
        listed = (*tests, *self._tree.list_files("benchmarks/", ".py"))
        return [path for path in listed if path not in self._unrelated]
