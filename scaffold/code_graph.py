"""Which functions a change of Python code can affect: follows names through the imports of the repository.

A changed body affects the tests that ran it, which the record knows. A changed definition - a constant, a signature,
the attributes of a class - runs during the import, which belongs to no test, so its name is followed to the bodies that
use it. What cannot be followed counts as used: a test too many costs seconds, a test too few hides a failure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scaffold.symbols import MODULE, Part, Symbols, read_symbols

# folders whose modules are imported by their bare names: they are on the path of pytest, Airflow or a script
_BARE = ("tests", "airflow/dags", "notebooks", ".awos/scripts")
_SOURCES = "data_stack/sources/"
_CACHES = ("cache", "lru_cache")


@dataclass(frozen=True)
class Key:
    """A part of a file: the body of a function, or a definition."""

    path: str
    name: str
    is_body: bool

    @property
    def recorded(self) -> str:
        """Its name in the record."""
        return f"{self.path}::{self.name}"


@dataclass
class CodeGraph:
    """Who uses which definition.

    Attributes:
        files: What each Python file defines.
        users: Parts that use a definition, by its path and name.
        callers: Those of them that run it while their file is imported.
        imported: Files that import each file.
        importers: Functions that import each file by the name of its module while they run, such as those that find the
            files of a source; they depend on no particular one.
    """

    files: dict[str, Symbols]
    users: dict[tuple[str, str], set[Key]] = field(default_factory=dict)
    callers: dict[tuple[str, str], set[Key]] = field(default_factory=dict)
    imported: dict[str, set[str]] = field(default_factory=dict)
    importers: dict[str, set[Key]] = field(default_factory=dict)

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "CodeGraph":
        """The graph of these files; one that is no Python code uses nothing.

        Args:
            texts: Code by path relative to the repository.
        """
        files = {path: _read_or_nothing(path, text) for path, text in texts.items()}
        graph = cls(files)
        modules = {name: path for path in files for name in _name_module(path)}
        for path, symbols in files.items():
            graph._link_file(path, symbols, modules)
        return graph

    def _link_file(self, path: str, symbols: Symbols, modules: Mapping[str, str]) -> None:
        for part in [*symbols.bodies.values(), *symbols.definitions.values()]:
            key = Key(path, part.name, part.is_body)
            for name in part.uses:
                for target in self._resolve(path, name, modules):
                    self.users.setdefault(target, set()).add(key)
                    self.imported.setdefault(target[0], set()).add(path)
                    if name in part.calls:
                        self.callers.setdefault(target, set()).add(key)
        for function, packages in symbols.packages.items():
            self._link_packages(Key(path, function, True), packages, modules)

    def _link_packages(self, function: Key, packages: set[str], modules: Mapping[str, str]) -> None:
        """A function that imports modules by their names imports those that have the name of a source."""
        sources = {PurePosixPath(path).stem for path in self.files if path.startswith(_SOURCES)}
        for module, path in modules.items():
            package, _, name = module.rpartition(".")
            if package in packages and name in sources:
                self.importers.setdefault(path, set()).add(function)

    def _resolve(self, path: str, dotted: str, modules: Mapping[str, str], depth: int = 0) -> set[tuple[str, str]]:
        """Where a name that a file uses is defined: in the file itself, and where it is imported from."""
        symbols, (first, *rest) = self.files[path], dotted.split(".")
        found = {(path, name) for name in (f"{first}.{'.'.join(rest[:1])}", first) if name in symbols.definitions}
        if first not in symbols.imports or depth > 5:
            return found
        full = [*symbols.imports[first][0].split("."), *filter(None, symbols.imports[first][1:]), *rest]
        for end in range(len(full), 0, -1):
            target = modules.get(".".join(full[:end]))
            if target and end < len(full):
                return found | self._resolve(target, ".".join(full[end:]), modules, depth + 1)
            if target:
                return found | {(target, MODULE)}
        return found

    def find_affected(self, changed: Iterable[Key]) -> set[Key]:
        """The changed parts, and all parts whose behaviour can change with them."""
        affected, unread = set[Key](), list(changed)
        while unread:
            key = unread.pop()
            if key not in affected:
                affected.add(key)
                unread += self._follow_body(key) if key.is_body else self._follow_definition(key)
        return affected

    def _follow_body(self, key: Key) -> set[Key]:
        """A function that runs while a file is imported affects what that file defines; a cached one, its callers."""
        name = key.name.removesuffix(".__init__").removesuffix(".__post_init__")
        users = self.users.get((key.path, name), set())
        # an object that is made during the import can run its methods there
        made = self.callers.get((key.path, name.rpartition(".")[0]), set())
        found = self.callers.get((key.path, name), set()) | made
        if self._is_cached(key):
            found |= {user for user in users if user.is_body}
        for cached in (user for user in users if user.is_body and self._is_cached(user)):
            found |= {user for user in self.users.get((cached.path, cached.name), set()) if user.is_body}
        return found

    def _is_cached(self, key: Key) -> bool:
        symbols = self.files.get(key.path, Symbols())
        signature = symbols.definitions.get(key.name, Part("", False))
        return any(call.rpartition(".")[2] in _CACHES for call in signature.calls)

    def _follow_definition(self, key: Key) -> set[Key]:
        symbols = self.files.get(key.path, Symbols())
        users = self.users.get((key.path, key.name), set()) - {key}
        inner = {name for name in symbols.bodies if name == key.name or name.startswith(f"{key.name}.")}
        # what the code does not use by name is used in a way that cannot be followed
        if key.name == MODULE or not (inner or any(not user.path.startswith("tests/") for user in users)):
            inner = set(symbols.bodies)
            users = users | self.importers.get(key.path, set())
        others = set(symbols.definitions) - {MODULE} if key.name == MODULE else set()
        bodies = {Key(key.path, name, True) for name in inner}
        return users | bodies | {Key(key.path, name, False) for name in others}

    def is_imported(self, path: str) -> bool:
        """Whether other code imports a file, so that it is no script."""
        return bool(self.imported.get(path) or self.importers.get(path))

    def find_importers(self, path: str) -> set[str]:
        """The file and all files that import it, also through others."""
        found, unread = set[str](), [path]
        while unread:
            if (read := unread.pop()) not in found:
                found.add(read)
                unread += self.imported.get(read, set())
        return found


def find_changed(path: str, before: str | None, after: str | None) -> set[Key]:
    """The parts of a file that two versions of it do not share.

    Args:
        path: Of the file.
        before: Its code; None if it is new.
        after: Its code; None if it was removed.
    """
    old, new = _read_or_nothing(path, before or ""), _read_or_nothing(path, after or "")
    bodies = _differ(old.bodies, new.bodies)
    definitions = _differ(old.definitions, new.definitions)
    return {Key(path, name, True) for name in bodies} | {Key(path, name, False) for name in definitions}


def _differ(old: Mapping[str, Part], new: Mapping[str, Part]) -> set[str]:
    nothing = Part("", False)
    changed = {name for name in {*old, *new} if old.get(name, nothing).code != new.get(name, nothing).code}
    # an empty body and an empty class have no code, and are new or gone all the same
    return changed | (set(old) ^ set(new))


def _read_or_nothing(path: str, text: str) -> Symbols:
    try:
        return read_symbols(text, ".".join(PurePosixPath(path).parent.parts))
    except (SyntaxError, ValueError):
        # the test that imports it says so
        return Symbols()


def _name_module(path: str) -> set[str]:
    """The names under which a file can be imported."""
    file = PurePosixPath(path)
    parts = file.parent.parts if file.name == "__init__.py" else file.with_suffix("").parts
    names = {".".join(parts)}
    for folder in _BARE:
        if file.is_relative_to(folder):
            names |= {".".join(file.relative_to(folder).with_suffix("").parts), file.stem}
    return names - {""}
