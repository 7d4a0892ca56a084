"""Whether what code spans, fenced blocks and links name exists: paths, tables, settings, identifiers, agents."""

import builtins
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from docs_check import commands
from docs_check.inventory import Inventory
from docs_check.markdown import Named, Page
from docs_check.paths import ENDINGS, PLACEHOLDER, Paths, as_path, is_outside, normal
from docs_check.repository import Allowed, Finding, Repository

_SCHEMAS = "core|marts|raw|ops|staging|gate"
_TABLE = re.compile(rf"(?<![\w./])(?:raw_\w+\.)?({_SCHEMAS})\.([a-z_][a-z0-9_]*)(?:\.([a-z_][a-z0-9_]*))?(?![\w*/(<])")
_MODEL = re.compile(r"(?<![\w./])((?:stg|fct|dim|mart)_[a-z0-9_]+)(?:\.([a-z_][a-z0-9_]*))?(?![\w*/<-])")
_SETTING = re.compile(r"(?<![\w./-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w/*<-])")
_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_*][\w*]*(?:\.[A-Za-z_*][\w*]*)*")
_CALL = re.compile(r"(\([^()]*\)|=)$")
_HYPHENATED = re.compile(r"--[a-z][a-z-]*|[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")
_SNAKE = re.compile(r"(?<![\w./<-])_?[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/*<-])")
_AGENT_LIKE = re.compile(r"(?<![\w/.-])(?:dlt|dbt|data|streamlit|airflow)-[a-z]+(?:-[a-z]+)*(?![\w/-])")
_AGENT_MARK = re.compile(r"\[Agent:\s*([^\]]*)\]")
_AWOS = re.compile(r"/awos:([a-z][a-z-]*)")
_AGENT_COLUMN = re.compile(r"specialist|agent\b|delegate", re.IGNORECASE)
_KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")
_FROM_IMPORT = re.compile(r"^\s*from ((?:data_stack|dlt_pipeline|data_quality)[\w.]*) import ([\w, ]+)")
_PATH_IN_PROSE = re.compile(rf"(?<!\]\()(?<![\w./@:-])[\w.-]+(?:/[\w.-]+)+\.(?:{'|'.join(ENDINGS)})(?![\w/])")
_LANGUAGES_OF_COMMANDS = frozenset({"bash", "sh", "shell", "console", ""})
_PYTHON = frozenset({*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names})
_HISTORY = re.compile(r"\[?\d+\.\d+")


class Names:
    """Checks the names of one repository's documents.

    Args:
        repository: The working copy.
        inventory: What there is.
        allowed: Names of the outside world.
    """

    def __init__(self, repository: Repository, inventory: Inventory, allowed: Allowed) -> None:
        self._repository = repository
        self._inventory = inventory
        self._allowed = allowed
        self._paths = Paths(repository, inventory)

    def findings(self, page: Page) -> Iterator[Finding]:
        """What a document names that does not exist, or exists although it is marked as planned.

        Args:
            page: The document.
        """
        end = _history(page)
        for line, text in self._problems(page):
            if line < end:
                yield Finding(page.path, line, text)

    def _problems(self, page: Page) -> Iterator[tuple[int, str]]:
        for span in page.spans:
            yield from _on(span, self._span(page, span))
        for block in page.fenced:
            yield from _on(block, self._fenced(page, block))
        for link in page.links:
            yield from _on(link, self._link(page, link))
        for number, text in enumerate(page.prose, 1):
            yield from ((number, problem) for problem in self._prose(page, number, text))
        yield from self._agents(page)
        yield from self._workflow(page)

    # -- where a name stands ------------------------------------------------------------------------------------------

    def _span(self, page: Page, span: Named) -> Iterator[str]:
        if " " in span.text:
            yield from self._planned(span, list(self._words(page, span)))
        else:
            yield from self._token(page, span)

    def _words(self, page: Page, span: Named) -> Iterator[str]:
        """A span of several words: a command, SQL, or what a program says."""
        for problem in commands.problems(self._inventory, span.text):
            yield from self._unless_allowed(span.text, problem)
        yield from self._paths_in(page, span.line, span.text.split())
        yield from self._tables(span.text)
        yield from self._settings(span.text)
        options = [span.text.split()[0]] if span.text.startswith("--") else []
        for name in [*options, *_SNAKE.findall(span.text)]:
            yield from self._word(Named(span.line, name))

    def _paths_in(self, page: Page, line: int, words: list[str]) -> Iterator[str]:
        for word in words:
            path = as_path(word)
            if path and "/" in path and not is_outside(path):
                yield from self.path(page, Named(line, path))

    def _fenced(self, page: Page, block: Named) -> Iterator[str]:
        if block.planned:
            return
        if block.language in _LANGUAGES_OF_COMMANDS:
            yield from commands.problems(self._inventory, block.text)
            yield from self._paths_in(page, block.line, [word.rpartition("=")[2] for word in block.text.split()])
        yield from self._imports(block)
        yield from self._tables(block.text)
        yield from self._settings(block.text)

    def _imports(self, block: Named) -> Iterator[str]:
        found = _FROM_IMPORT.search(block.text)
        if not found:
            return
        module = found[1].replace(".", "/")
        texts = [self._repository.code.get(path) for path in (f"{module}.py", f"{module}/__init__.py")]
        code = next((text for text in texts if text is not None), None)
        for name in re.findall(r"\w+", found[2]):
            if code is None or not re.search(rf"\b{name}\b", code):
                yield f"there is no {name} in {found[1]}; correct the import"

    def _prose(self, page: Page, number: int, text: str) -> Iterator[str]:
        yield from self._settings(text)
        yield from self._paths_in(page, number, _PATH_IN_PROSE.findall(text))
        for name in _AGENT_LIKE.findall(text):
            if name not in self._inventory.agents and not self._repository.has_word(name):
                yield from self._unless_allowed(name, f"there is no agent {name}; name one of {self._agent_names}")

    def _token(self, page: Page, span: Named) -> Iterator[str]:
        """A span of one word: the first kind that it can be decides."""
        text = span.text
        path = as_path(text)
        if is_outside(text):
            yield from self._route(text)
        elif path and self._paths.is_path(path):
            yield from self.path(page, Named(span.line, path, span.planned))
        elif _TABLE.fullmatch(text) or _MODEL.fullmatch(text):
            yield from self._planned(span, list(self._tables(text)))
        elif _SETTING.fullmatch(text):
            yield from self._planned(span, list(self._settings(text)))
        else:
            yield from self._word(span)

    def _route(self, text: str) -> Iterator[str]:
        """A path of an API stands in the code as it is."""
        if re.fullmatch(r"(/[a-z0-9_-]+)+/?", text) and not any(
            text in code for code in self._repository.code.values()
        ):
            problem = f"the route {text} does not occur in the code; correct it, or add it to allowed.txt"
            yield from self._unless_allowed(text, problem)

    def _planned(self, span: Named, wrong: list[str]) -> Iterator[str]:
        if not span.planned:
            yield from wrong
        elif not wrong:
            yield _remove_mark(span.text)

    def _unless_allowed(self, name: str, problem: str) -> Iterator[str]:
        if not self._allowed.takes(name):
            yield problem

    # -- kinds of names -----------------------------------------------------------------------------------------------

    def path(self, page: Page, named: Named) -> Iterator[str]:
        """The problem of a path or glob, if it has one.

        Args:
            page: The document that names it.
            named: The path, and whether it is planned.
        """
        exists = self._paths.exists(page, named.text)
        if named.planned and exists:
            yield _remove_mark(named.text)
        elif not named.planned and not exists:
            problem = f"there is no {named.text}; correct the path, or mark what is to be built with (planned)"
            yield from self._unless_allowed(named.text, problem)

    def _tables(self, text: str) -> Iterator[str]:
        for schema, table, column in _TABLE.findall(text):
            if table not in ENDINGS and not self._is_attribute(schema, table):
                yield from self._table(schema, table, column)
        for model, column in _MODEL.findall(text):
            if model in self._inventory.models:
                yield from self._column(f"{model}", self._inventory.models[model][1], column)
            elif not self._repository.has_word(model):
                yield from self._unless_allowed(model, f"there is no dbt model {model}; correct it or write its yml")

    def _is_attribute(self, module: str, name: str) -> bool:
        code = self._repository.code.get(f"data_stack/{module}.py", "")
        return re.search(rf"\bdef {name}\b", code) is not None

    def _table(self, schema: str, table: str, column: str) -> Iterator[str]:
        columns = self._inventory.tables.get(schema, {}).get(table)
        if columns is None:
            name = f"{schema}.{table}"
            yield from self._unless_allowed(name, f"there is no table {name}; correct it, or describe it in a yml")
        else:
            yield from self._column(f"{schema}.{table}", columns, column)

    def _column(self, table: str, columns: frozenset[str], column: str) -> Iterator[str]:
        if column and columns and column not in columns and column not in ENDINGS:
            name = f"{table}.{column}"
            yield from self._unless_allowed(
                name, f"{table} has no column {column}; it has {', '.join(sorted(columns))}"
            )

    def _settings(self, text: str) -> Iterator[str]:
        for name in _SETTING.findall(text):
            if name not in self._inventory.settings and not self._repository.has_word(name):
                problem = f"there is no setting or constant {name}; correct it, or add it to a settings class"
                yield from self._unless_allowed(name, problem)

    def _word(self, span: Named) -> Iterator[str]:
        name = PLACEHOLDER.sub("*", _CALL.sub("", span.text.rstrip(":,;.")))
        if not _HYPHENATED.fullmatch(name) and not _IDENTIFIER.fullmatch(name):
            return
        exists = self._is_known(name)
        if span.planned and exists:
            yield _remove_mark(span.text)
        elif not span.planned and not exists:
            problem = f"{span.text} does not occur in the code; correct it, or add it to allowed.txt if it is not ours"
            yield from self._unless_allowed(span.text, problem)

    def _is_known(self, name: str) -> bool:
        if name in self._inventory.agents or name in self._inventory.targets:
            return True
        if _HYPHENATED.fullmatch(name):
            return self._repository.has_word(name)
        parts = name.lstrip("@$").split(".")
        return all(part in _PYTHON or self._repository.has_word(part) for part in parts) and self._is_member(parts)

    def _is_member(self, parts: list[str]) -> bool:
        """Of a module of ours, the name must stand in that module."""
        if len(parts) < 2 or "*" in parts[-1]:
            return True
        modules = self._repository.under(f"**/{parts[-2]}.py")
        return not modules or any(re.search(rf"\b{parts[-1]}\b", self._repository.code[path]) for path in modules)

    def _link(self, page: Page, link: Named) -> Iterator[str]:
        target, _, anchor = link.text.partition("#")
        if re.match(r"[a-z]+:", link.text) or PLACEHOLDER.search(link.text):
            return
        path = normal(PurePosixPath(page.path).parent / target) if target else page.path
        exists = path in self._repository.paths
        if link.planned == exists:
            yield _remove_mark(link.text) if exists else f"the link {link.text} leads nowhere; correct the path"
        elif anchor and path.endswith(".md"):
            other = page if path == page.path else Page(path, self._repository.text(path) or "")
            if anchor not in other.anchors:
                yield f"the link {link.text} names a heading that {path} does not have; correct what follows the #"

    # -- agents and workflow ------------------------------------------------------------------------------------------

    @property
    def _agent_names(self) -> str:
        return ", ".join(sorted(self._inventory.agents))

    def _agents(self, page: Page) -> Iterator[tuple[int, str]]:
        yield from self._marked_agents(page)
        for number, cell in page.cells(_AGENT_COLUMN):
            for name in _KEBAB.findall(cell):
                if name not in self._inventory.agents and not self._repository.has_word(name):
                    yield number, f"there is no agent {name}; name one of {self._agent_names}"

    def _marked_agents(self, page: Page) -> Iterator[tuple[int, str]]:
        template = page.path.startswith(".awos/templates/")
        spans = {(span.line, name) for span in page.spans for name in _AGENT_MARK.findall(span.text)}
        for number, line in enumerate(page.text.splitlines(), 1):
            for name in _AGENT_MARK.findall(line):
                # `**[Agent: name]**` shows the form
                form = name == "name" and (template or (number, name) in spans)
                if name not in self._inventory.agents and not form and not name.startswith("<"):
                    yield number, f"there is no agent {name or '(empty)'}; name one of {self._agent_names}"

    def _workflow(self, page: Page) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(page.text.splitlines(), 1):
            for name in _AWOS.findall(line):
                for path in (f".claude/commands/awos/{name}.md", f".awos/commands/{name}.md"):
                    if path not in self._repository.paths:
                        yield number, f"/awos:{name} has no {path}; write it or correct the command"


def _history(page: Page) -> int:
    """Line where released versions begin in a changelog: they name what existed then."""
    beyond = page.text.count("\n") + 2
    if PurePosixPath(page.path).name != "CHANGELOG.md":
        return beyond
    return next((heading.line for heading in page.headings if _HISTORY.match(heading.title)), beyond)


def _on(named: Named, problems: Iterator[str]) -> Iterator[tuple[int, str]]:
    return ((named.line, problem) for problem in problems)


def _remove_mark(name: str) -> str:
    return f"{name} is marked (planned) and exists; remove the mark"
