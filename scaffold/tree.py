"""The files of a repository as git sees them, with their text and the imports between Python modules."""

import ast
import subprocess
from functools import cached_property
from pathlib import Path, PurePosixPath

from data_stack.errors import UsageError

SOURCES_FOLDER = "data_stack/sources"
# `tests/` is on the import path, and so is every folder of a test module
_TESTS = "tests/"


class Tree:
    """What git tracks or would track below a folder.

    Args:
        root: Folder of the repository.
        hidden: Files that are left out, relative to the root.
    """

    def __init__(self, root: Path, hidden: frozenset[str] = frozenset()) -> None:
        self.root = root
        self._hidden = hidden
        self._texts: dict[str, str] = {}
        self._modules: dict[str, ast.Module] = {}
        self._strings: dict[str, list[str]] = {}

    @cached_property
    def files(self) -> list[str]:
        """Paths relative to the root, sorted.

        Raises:
            UsageError: The folder is no git repository.
        """
        command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)  # noqa: S603
        if listed.returncode:
            raise UsageError(f"{self.root} is no git repository; run the command in a clone, or `git init` there first")
        listed_paths = {path for path in listed.stdout.split("\0") if path} - self._hidden
        return sorted(path for path in listed_paths if (self.root / path).is_file())

    @cached_property
    def source_names(self) -> list[str]:
        """Names of the registered sources, from the files of the registry."""
        entries = (PurePosixPath(path) for path in self.list_files(f"{SOURCES_FOLDER}/", ".py"))
        return [entry.stem for entry in entries if entry.stem != "__init__" and str(entry.parent) == SOURCES_FOLDER]

    def list_files(self, prefix: str, suffix: str = "") -> list[str]:
        """List the files whose path begins and ends so."""
        return [path for path in self.files if path.startswith(prefix) and path.endswith(suffix)]

    def read(self, path: str) -> str:
        """Read a file; bytes that are no UTF-8 are replaced."""
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_bytes().decode(errors="replace")
        return self._texts[path]

    def parse(self, path: str) -> ast.Module:
        """Parse a Python file.

        Raises:
            UsageError: It is no valid Python.
        """
        if path not in self._modules:
            try:
                self._modules[path] = ast.parse(self.read(path))
            except SyntaxError as error:
                raise UsageError(
                    f"{path}:{error.lineno} is no valid Python ({error.msg}); fix the file first"
                ) from error
        return self._modules[path]

    @cached_property
    def paths_by_module(self) -> dict[str, str]:
        """Path of each Python module by the names under which it is imported."""
        paths: dict[str, str] = {}
        for path in self.list_files("", ".py"):
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            paths[module] = path
            if path.startswith(_TESTS):
                paths.setdefault(module.removeprefix("tests."), path)
                paths.setdefault(PurePosixPath(path).stem, path)
        return paths

    def list_imports(self, path: str) -> set[str]:
        """List the files of the repository that a Python file imports, wherever in the file."""
        imported: set[str] = set()
        for node in ast.walk(self.parse(path)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return {self.paths_by_module[name] for name in imported if name in self.paths_by_module} - {path}

    def list_strings(self, path: str) -> list[str]:
        """List the text constants of a Python file, without docstrings."""
        if path not in self._strings:
            nodes = list(ast.walk(self.parse(path)))
            docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings)
            self._strings[path] = [node.value for node in constants if isinstance(node.value, str)]
        return self._strings[path]

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """Files that import each Python file."""
        importers: dict[str, set[str]] = {}
        for path in self.list_files("", ".py"):
            for imported in self.list_imports(path):
                importers.setdefault(imported, set()).add(path)
        return importers
