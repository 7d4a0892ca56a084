"""Makes the files of a new source from those of a living one, in memory."""

import ast
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from data_stack.errors import TerminalError
from scaffold.dependents import QUESTIONS
from scaffold.ownership import GENERATED_FOLDER, OwnershipFinder
from scaffold.places import add_mark
from scaffold.renaming import Renaming, make_title, rename_constants, rename_imports
from scaffold.table_readers import PAGES
from scaffold.tree import SOURCES_FOLDER, Tree
from scaffold.wrapping import LIMIT, wrap_long_lines

_NOT_COPIED = (
    "context/",
    "notebooks/",
    # the name of a metric says what is counted and not of which source, so a copy would define it twice
    "dbt/metrics/",
    QUESTIONS,
    f"{GENERATED_FOLDER}/",
    "dbt/models/exposures/notebook_",
    "tests/notebooks/test_notebook_",
)
# of metrics, which are not copied either
_METRIC_TESTS = "_metrics.py"
_CODE = ("data_", "dlt_pipeline/", "dbt/", "streamlit_app/", "notebooks/", "tests/", "airflow/", "benchmarks/")
_PAGE_FILES = ("streamlit_app/", "tests/streamlit_app/", "tests/sources/")


class SourceCopy:
    """The files of a living source under the name of a new one.

    Args:
        tree: The repository.
        like: The living source.
        name: The new source.
    """

    def __init__(self, tree: Tree, like: str, name: str) -> None:
        self._tree = tree
        self._like, self.name = like, name
        self._finder = OwnershipFinder(tree)
        owned = self._finder.find_owned(like)
        self.originals = [
            path for path in owned if not path.startswith(_NOT_COPIED) and not path.endswith(_METRIC_TESTS)
        ]

    def find_targets(self) -> dict[str, str]:
        """The new path of each copied file, by its old path."""
        return {path: self._names.rename_path(path) for path in self.originals}

    def build(self) -> dict[str, bytes]:
        """Make the new files.

        Returns:
            Their content by path.

        Raises:
            TerminalError: A tool failed to format one.
        """
        copies: dict[str, bytes] = {}
        for old, new in self.find_targets().items():
            try:
                text = (self._tree.root / old).read_bytes().decode()
            except UnicodeDecodeError:
                copies[new] = (self._tree.root / old).read_bytes()
                continue
            copies[new] = add_mark(new, self._rename(old, new, text), self.name).encode()
        _format(self._tree.root, copies)
        return copies

    @cached_property
    def _names(self) -> Renaming:
        bare = Renaming(self._like, self.name, {}, self._kept)
        identifiers = {**self._find_nodes(bare), **self._find_files(bare)}
        for name, title in self._find_titles().items():
            identifiers |= {title: make_title(self.name)} if name == self._like else {}
        return Renaming(self._like, self.name, identifiers, self._kept)

    @cached_property
    def _kept(self) -> set[str]:
        """Words with the source's name that stay: the provider's own, and those of files that are not copied."""
        word = re.compile(rf"(?<![a-z0-9]){re.escape(self._like)}(?![a-z0-9])")
        copied = set(self.originals)
        others = {
            PurePosixPath(path).name.split(".")[0]
            for path in self._tree.list_files("")
            if path not in copied and path.startswith(_CODE)
        }
        others |= self._find_imported_names() | self._find_metrics()
        others |= {name for name in self._tree.source_names if name != self._like}
        return {name for name in others if word.search(name) and name != self._like} | self._read_provider_words()

    def _find_imported_names(self) -> set[str]:
        """Names that the copied files import from files that are not copied."""
        modules, copied = self._tree.paths_by_module, set(self.originals)
        nodes = (node for path in copied if path.endswith(".py") for node in ast.walk(self._tree.parse(path)))
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
        names = {
            alias.name
            for node in imports
            for alias in node.names
            if modules.get(node.module or "") not in copied and modules.get(f"{node.module}.{alias.name}") not in copied
        }
        return {name for name in names if name.lower() != self._like}

    def _find_metrics(self) -> set[str]:
        """Names of metrics, which a copied page goes on to show until it has its own."""
        files = (yaml.safe_load(self._tree.read(path)) for path in self._tree.list_files("dbt/metrics/", ".yml"))
        return {metric["name"] for content in files for metric in (content or {}).get("metrics") or []}

    def _find_entry(self) -> ast.Call:
        path = f"{SOURCES_FOLDER}/{self._like}.py"
        for node in ast.walk(self._tree.parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Source":
                return node
        raise TerminalError(f"{path} must define SOURCE = Source(...); copy that of another source")

    def _read_provider_words(self) -> set[str]:
        return set(self._read_argument("provider_words", ()))

    @property
    def table(self) -> str:
        """The raw table of the copied source, and so of the copy."""
        return str(self._read_argument("table", "rows"))

    def _read_argument(self, name: str, default: object) -> Any:
        values = {keyword.arg: keyword.value for keyword in self._find_entry().keywords}
        return ast.literal_eval(values[name]) if name in values else default

    def _find_titles(self) -> dict[str, str]:
        """Titles of the registry's entry and of the copied pages, by the name of the source or page."""
        titles = {self._like: ast.literal_eval(self._find_entry().args[1])}
        for path in self.originals:
            if path.startswith(PAGES):
                match = re.search(r'^PAGE = Page\(\s*title="([^"]+)"', self._tree.read(path), re.MULTILINE)
                titles |= {PurePosixPath(path).stem: match[1]} if match else {}
        return titles

    def _find_nodes(self, bare: Renaming) -> dict[str, str]:
        """New names of models, tests, seeds, macros and exposures without the source's name."""
        dbt, copied = self._finder.dbt, set(self.originals)
        names = [name for name, node in dbt.nodes.items() if node.path in copied]
        names += [macro for path, macros in dbt.macros.items() if path in copied for macro in macros]
        names += [name for path, described in dbt.described.items() if path in copied for name in described.exposures]
        return {name: PurePosixPath(bare.rename_path(f"{name}.sql")).stem for name in names if not bare.has_name(name)}

    def _find_files(self, bare: Renaming) -> dict[str, str]:
        """New names of files and modules without the source's name, as texts and imports name them."""
        found: dict[str, str] = {}
        for old in self.originals:
            new = bare.rename_path(old)
            if bare.has_name(old) or old == new:
                continue
            found[PurePosixPath(old).name] = PurePosixPath(new).name
            if old.endswith(".py"):
                found[old.removesuffix(".py").replace("/", ".")] = new.removesuffix(".py").replace("/", ".")
        return found

    def _rename(self, old: str, new: str, text: str) -> str:
        text = self._names.rename_text(text)
        if old.endswith(".py"):
            text = rename_imports(text, self._modules)
            if old.startswith(_PAGE_FILES):
                text = rename_constants(text, self._page_words)
        if "/exposures/" in old:
            for was, title in self._page_words.items():
                text = re.sub(rf"(?<=    label: ){re.escape(was)}$", title, text, flags=re.MULTILINE)
        return text

    @cached_property
    def _modules(self) -> dict[tuple[str, str], str]:
        modules: dict[tuple[str, str], str] = {}
        for old, new in self.find_targets().items():
            if old.endswith(".py") and (stem := PurePosixPath(old).stem) != PurePosixPath(new).stem:
                package = str(PurePosixPath(new).parent).replace("/", ".")
                modules[package, stem] = PurePosixPath(new).stem
                if old.startswith("tests/"):
                    modules["", stem] = PurePosixPath(new).stem
        return modules

    @cached_property
    def _page_words(self) -> dict[str, str]:
        """New names and titles of the copied pages that do not contain the source's name."""
        words: dict[str, str] = {}
        for page, title in self._find_titles().items():
            if page == self._like or self._names.has_name(page):
                continue
            words[page] = f"{self.name}_{page}"
            words[title] = f"{make_title(self.name)} {title[:1].lower()}{title[1:]}"
        return words


def _format(root: Path, copies: dict[str, bytes]) -> None:
    """Format the copies as the repository's files are, in a folder with its settings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in ("pyproject.toml", ".sqlfluff"):
            shutil.copy(root / path, folder)
        for path, content in copies.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        _format_python(folder, [path for path in copies if path.endswith(".py")])
        _format_sql(root, folder, [path for path in copies if path.endswith(".sql")])
        copies |= {path: (folder / path).read_bytes() for path in copies}


def _format_python(folder: Path, paths: list[str]) -> None:
    # the second time for what was wrapped
    for _ in range(2):
        for command in (["check", "--fix-only"], ["format"]):
            _run_tool(folder, ["ruff", *command, "--quiet", *paths])
        changed = []
        for path in paths:
            text = (folder / path).read_text(encoding="utf-8")
            wrapped = wrap_long_lines(text)
            if wrapped != text:
                (folder / path).write_text(wrapped, encoding="utf-8")
                changed.append(path)
        if not changed:
            return
        paths = changed


def _format_sql(root: Path, folder: Path, paths: list[str]) -> None:
    """Let sqlfluff break the lines that got too long; it takes seconds, so only where there are any."""
    long = [path for path in paths if _has_long_line((folder / path).read_text(encoding="utf-8"))]
    if not long:
        return
    for part in ("macros", "linting"):
        shutil.copytree(root / "dbt" / part, folder / "dbt" / part, dirs_exist_ok=True)
    _run_tool(folder, ["sqlfluff", "fix", "--quiet", *long], allowed=(0, 1))


def _run_tool(folder: Path, command: list[str], allowed: tuple[int, ...] = (0,)) -> None:
    words = [sys.executable, "-m", *command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode not in allowed:
        raise TerminalError(f"{command[0]} cannot format the copies: {done.stderr.strip() or done.stdout.strip()}")


def _has_long_line(text: str) -> bool:
    return any(len(line) > LIMIT for line in text.splitlines())
