"""Find names in documents that lead nowhere."""

import builtins
import keyword
import os.path
import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from docs_check.catalogue import Catalogue, Missing
from docs_check.commands import find_missing_commands
from docs_check.documents import Document, Name
from docs_check.repository import Repository

_ENDINGS = "py|sql|ya?ml|toml|json|sh|lock|html|md|ipynb|txt|csv|zip|cfg|ini|css|duckdb|sqlite|log|env|example|parquet"
_PLACEHOLDER = re.compile(r"<[^<>]*>|\{[^{},]*\}|\[[^\[\]/]*\]|\.\.\.|…|NNN(?:-name)?|\b(?:NAME|SOURCE|FILE|DIR)\b")
_FORM_OF_SOURCE = re.compile(r"<(?:name|source|notebook)>|NNN|\b(?:NAME|SOURCE)\b|\*")
_FOLDERS_OF_SOURCES = ("context/spec", "tests/sources")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_PATH = re.compile(r"[\w.*?@-][\w.*?/@+-]*")
_FILE = re.compile(rf"[\w*-][\w.*-]*\.(?:{_ENDINGS})|\.[a-z][\w.-]*")
_FILE_IN_PROSE = re.compile(rf"(?<![\w./@:-])[\w.-]+(?:/[\w.-]+)+\.(?:{_ENDINGS})(?![\w/])")
_ROUTE = re.compile(r"(/[a-z0-9_-]+)+/?")
_TABLE = re.compile(
    r"(?<![\w./])(?:raw_\w+\.)?((?:(?:core|marts|raw|ops|staging|gate)\.[a-z_]|(?:stg|fct|dim|mart)_)[a-z0-9_]*)"
    r"(?:\.([a-z_][a-z0-9_]*))?(?![\w*/(<-])"
)
_SETTING = re.compile(r"(?<![\w./-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w/*<-])")
_HYPHENATED = re.compile(r"--[a-z][a-z-]*|[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")
_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_*][\w*]*(?:\.[A-Za-z_*][\w*]*)*")
_NAME_IN_PHRASE = re.compile(r"(?<![\w./<-])_?[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/*<-])|^--[a-z][a-z-]*")
_IMPORT = re.compile(r"from ([\w.]+) import ([\w, ]+)")
_AGENT = re.compile(r"(?<![\w/.-])(?:dlt|dbt|data|streamlit|airflow)-[a-z]+(?:-[a-z]+)*(?![\w/-])")
_AGENT_MARK = re.compile(r"\[Agent:\s*([^\]]*)\]")
_COMMAND_BLOCKS = ("block bash", "block sh", "block shell", "block console", "block")
_PYTHON = frozenset({*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names})
_COMMAND_KEYS = ("description", "argument-hint", "allowed-tools", "model", "disable-model-invocation")
# documents in these folders name files of every module
_NO_MODULE = (".awos", ".claude", "context", "docs")


class NameChecker:
    """Checks the names of one repository's documents.

    Args:
        repository: The working copy.
        catalogue: What exists besides files and words.
    """

    def __init__(self, repository: Repository, catalogue: Catalogue) -> None:
        self._repository = repository
        self._catalogue = catalogue
        entries = set(repository.find("data_stack/sources/*.py")) - {"data_stack/sources/__init__.py"}
        # another repository has no registry, and its forms have examples
        self._has_sources = bool(entries) or not repository.find("data_stack/sources")

    def find_missing(self, document: Document, name: Name) -> list[Missing]:
        """Find what a name of a document refers to and what does not exist.

        Args:
            document: The document.
            name: One of its names.
        """
        if name.kind == "link":
            found = self._check_link(document, name.text)
        elif name.kind == "path":
            found = self._check_paths(document, [name.text])
        elif name.kind == "key":
            found = self._check_key(document, name.text)
        elif name.kind == "prose":
            found = self._check_prose(document, name.text)
        else:
            found = self._check_code(document, name)
        marked = self._check_marks(document, name) if name.kind in ("code", "prose") else ()
        # a table without its schema is also an identifier: one finding is enough
        return list({missing.name: missing for missing in reversed([*found, *marked])}.values())

    def _check_prose(self, document: Document, text: str) -> Iterator[Missing]:
        yield from self._check_settings(text)
        yield from self._check_paths(document, _FILE_IN_PROSE.findall(text))
        # a cell of a table that contains only hyphenated words lists agents
        names = text.split(", ") if re.fullmatch(r"(?:(?:, )?[a-z]+(?:-[a-z]+)+)+", text) else _AGENT.findall(text)
        yield from self._check_agents(names)

    def _check_code(self, document: Document, name: Name) -> Iterator[Missing]:
        words = name.text.split()
        if name.kind != "code":
            words = [word.rpartition("=")[2] for word in words]
        if name.kind in ("code", *_COMMAND_BLOCKS):
            yield from find_missing_commands(self._catalogue, name.text)
            yield from self._check_paths(document, [path for word in words if (path := self._get_path(word, words))])
        yield from self._check_tables(name.text)
        yield from self._check_settings(name.text)
        if name.kind == "code":
            yield from self._check_identifiers(words[0] if len(words) == 1 else name.text)
        for module, imported in _IMPORT.findall(name.text):
            for member in re.findall(r"\w+", imported):
                yield from self._check_identifiers(f"{module}.{member}")

    # -- paths and links ----------------------------------------------------------------------------------------------

    def _get_path(self, word: str, words: list[str]) -> str | None:
        """The path in a word, without quotes, punctuation, a test's name or a line; None if it is no path."""
        path = re.sub(r"(::.*|:\d+)$", "", word.strip("\"'(),;:").rstrip("."))
        plain = _PLACEHOLDER.sub("x", _BRACES.sub("x", path)).replace("$", "")
        if "://" in path or re.match(r"[/~]|-*\d", path) or not _PATH.fullmatch(plain):
            return None
        is_file = "/" in path or (len(words) == 1 and (path in self._repository.paths or _FILE.fullmatch(path)))
        return path if is_file else None

    def _check_paths(self, document: Document, paths: list[str]) -> Iterator[Missing]:
        for path in paths:
            if not all(self._has_file(document, expanded) for expanded in _expand_braces(path)):
                yield Missing("file or folder", path, self._repository.paths)

    def _has_file(self, document: Document, path: str) -> bool:
        folder = PurePosixPath(document.path).parent
        glob = _PLACEHOLDER.sub("*", path).removeprefix("./").rstrip("/")
        if glob.startswith("../"):
            glob = os.path.normpath(folder / glob)
        if glob.startswith(".venv/bin/"):
            return self._repository.has_word(PurePosixPath(glob).name)
        candidates = [glob, f"{folder}/{glob}"]
        if "/" not in glob:
            is_in_module = folder.parts and folder.parts[0] not in _NO_MODULE
            candidates.append(f"{folder}/**/{glob}" if is_in_module else f"**/{glob}")
        # while there is no source, the form of its files has no example, and folders for them are missing
        if not self._has_sources and (_FORM_OF_SOURCE.search(path) or glob in _FOLDERS_OF_SOURCES):
            return True
        # `<file>.json` may be any file
        is_any = re.fullmatch(r"\**(\.\w+)?", glob) is not None
        return is_any or any(map(self._repository.find, candidates)) or self._catalogue.is_made_by_run(glob)

    def _check_link(self, document: Document, link: str) -> Iterator[Missing]:
        target, _, anchor = link.partition("#")
        path = os.path.normpath(PurePosixPath(document.path).parent / target) if target else document.path
        if re.match(r"[a-z]+:", link):
            return
        if path not in self._repository.paths:
            yield Missing("file or folder", link, self._repository.paths)
        elif anchor and path.endswith(".md"):
            anchors = [_get_anchor(title) for title in Document(path, self._repository.texts[path]).headings]
            if anchor not in anchors:
                yield Missing("heading", link, [f"{target}#{existing}" for existing in anchors])

    def _check_key(self, document: Document, key: str) -> Iterator[Missing]:
        if "/commands/" in document.path and key not in _COMMAND_KEYS:
            yield Missing("front matter key", key, _COMMAND_KEYS)

    # -- names of things ----------------------------------------------------------------------------------------------

    def _check_tables(self, text: str) -> Iterator[Missing]:
        tables = self._catalogue.tables
        for table, column in _TABLE.findall(text):
            schema, _, name = table.rpartition(".")
            if table in tables:
                columns = tables[table]
                if column and columns and column not in columns and not re.fullmatch(_ENDINGS, column):
                    yield Missing("column", f"{table}.{column}", [f"{table}.{existing}" for existing in columns])
            elif not (self._is_member(schema, name) if schema else self._repository.has_word(name)):
                yield Missing("table", table, tables)

    def _is_member(self, schema: str, name: str) -> bool:
        """Check whether `ops.existing` is a function of a module or `ops.sqlite` a file, and not a table."""
        texts = [self._repository.code[path] for path in self._repository.find(f"*/{schema}.py")]
        is_function = any(re.search(rf"\bdef {name}\b", text) for text in texts)
        return is_function or re.fullmatch(_ENDINGS, name) is not None

    def _check_settings(self, text: str) -> Iterator[Missing]:
        for name in _SETTING.findall(text):
            # `.env.example` lists every setting, which a test guarantees
            if not self._repository.has_word(name):
                yield Missing("setting or constant", name, self._repository.words)

    def _check_identifiers(self, text: str) -> Iterator[Missing]:
        if _ROUTE.fullmatch(text):
            if not any(text in code for code in self._repository.code.values()):
                yield Missing("route", text)
            return
        for name in _NAME_IN_PHRASE.findall(text) if " " in text else [text]:
            if not self._has_name(_PLACEHOLDER.sub("*", re.sub(r"(\([^()]*\)|=)$", "", name.rstrip(":,;.")))):
                yield Missing("agent" if _AGENT.fullmatch(name) else "identifier", name, self._repository.words)

    def _has_name(self, name: str) -> bool:
        """Check a word or a dotted name; the last part of `module.name` must be in that module."""
        if _HYPHENATED.fullmatch(name):
            return name in self._catalogue.agents | self._catalogue.targets or self._repository.has_word(name)
        if not _IDENTIFIER.fullmatch(name) or _TABLE.fullmatch(name) or _FILE.fullmatch(name):
            return True
        *modules, last = name.lstrip("@$").split(".")
        files = self._repository.find(f"**/{modules[-1]}.py") if modules and "*" not in last else []
        is_member = not files or any(re.search(rf"\b{last}\b", self._repository.code.get(path, "")) for path in files)
        return is_member and all(part in _PYTHON or self._repository.has_word(part) for part in (*modules, last))

    # -- agents and workflow ------------------------------------------------------------------------------------------

    def _check_agents(self, names: list[str]) -> Iterator[Missing]:
        for name in names:
            if name not in self._catalogue.agents and not self._repository.has_word(name):
                yield Missing("agent", name, self._catalogue.agents)

    def _check_marks(self, document: Document, name: Name) -> Iterator[Missing]:
        for agent in _AGENT_MARK.findall(name.text):
            # `**[Agent: name]**` shows the form
            is_form = agent == "name" and (name.kind == "code" or document.path.startswith(".awos/templates/"))
            if agent not in self._catalogue.agents and not is_form and not agent.startswith("<"):
                yield Missing("agent", agent, self._catalogue.agents)
        for command in re.findall(r"/awos:([a-z][a-z-]*)", name.text):
            files = [f"{folder}/{command}.md" for folder in (".claude/commands/awos", ".awos/commands")]
            yield from self._check_paths(document, files)


def _get_anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _expand_braces(path: str) -> list[str]:
    found = _BRACES.search(path)
    if not found:
        return [path]
    before, after = path[: found.start()], path[found.end() :]
    return [expanded for part in found[1].split(",") for expanded in _expand_braces(before + part + after)]
