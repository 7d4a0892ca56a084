"""Front matter of agents, commands and rules, the rendered agents, and the settings of Claude Code."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import render_agents

from docs_check import commands
from docs_check.front_matter import Document, FrontMatterError, split, words
from docs_check.inventory import Inventory
from docs_check.markdown import Named, Page
from docs_check.names import Names
from docs_check.repository import Finding, Repository

SETTINGS = ".claude/settings.json"
SCHEMA = ".awos/scripts/settings.schema.json"
# https://code.claude.com/docs/en/tools-reference
TOOLS = frozenset(
    "Agent AskUserQuestion Bash Edit ExitPlanMode Glob Grep LSP ListMcpResourcesTool Monitor NotebookEdit Read"
    " ReadMcpResourceTool Skill Task TaskCreate TaskGet TaskList TaskOutput TaskStop TaskUpdate TodoWrite ToolSearch"
    " WebFetch WebSearch Write".split()
)
_SERVER = re.compile(r"mcp__[\w-]+(?:__[\w*-]+)?")
_COMMAND_KEYS = frozenset({"argument-hint", "allowed-tools", "model", "disable-model-invocation"})


@dataclass(frozen=True)
class Kind:
    """Files that share a form: where they are, which keys they need, which they may have, which list tools."""

    glob: str
    required: frozenset[str]
    optional: frozenset[str]
    tools: str = "tools"


KINDS = (
    Kind(".claude/agents/**/*.md", frozenset({"name", "description", "tools"}), frozenset({"model"})),
    Kind(".awos/subagents/**/*.md", frozenset(render_agents.KEYS), frozenset()),
    Kind(".claude/commands/**/*.md", frozenset({"description"}), _COMMAND_KEYS, "allowed-tools"),
    Kind(".awos/commands/**/*.md", frozenset({"description"}), _COMMAND_KEYS, "allowed-tools"),
    Kind(".claude/rules/**/*.md", frozenset({"paths"}), frozenset({"description"})),
)


def findings(repository: Repository, pages: Sequence[Page], names: Names, inventory: Inventory) -> Iterator[Finding]:
    """What is wrong with the files that configure agents.

    Args:
        repository: The working copy.
        pages: Its documents.
        names: Checks paths.
        inventory: Checks commands.
    """
    by_path = {page.path: page for page in pages}
    for kind in KINDS:
        for path in repository.under(kind.glob):
            yield from _file(by_path[path], kind, names, inventory)
    yield from _drift(repository)
    yield from _settings(repository)


def _file(page: Page, kind: Kind, names: Names, inventory: Inventory) -> Iterator[Finding]:
    try:
        document = split(page.text)
        problems = [
            *_keys(document, kind),
            *_texts(document),
            *_name(document, page),
            *_tools(document, kind),
            *_globs(document, page, names),
            *_check(document, inventory),
        ]
    except FrontMatterError as error:
        problems = [(error.line, str(error))]
    yield from (Finding(page.path, line, text) for line, text in problems)


Problems = Iterator[tuple[int, str]]


def _keys(document: Document, kind: Kind) -> Problems:
    for key in sorted(kind.required):
        if not document.fields.get(key):
            line = document.key_lines.get(key, 1)
            yield line, f"the front matter has no {key}, and Claude Code or a check needs it; add `{key}: ...`"
    for key, line in document.key_lines.items():
        if key not in kind.required | kind.optional:
            yield line, f"the key {key} is not known; use {', '.join(sorted(kind.required | kind.optional))}"


def _texts(document: Document) -> Problems:
    for key in ("name", "description", "argument-hint", "check"):
        if key in document.fields and not isinstance(document.fields[key], str):
            yield document.key_lines[key], f"{key} must be text; put it in quotes"


def _name(document: Document, page: Page) -> Problems:
    name = document.fields.get("name")
    if name and name != PurePosixPath(page.path).stem:
        yield document.key_lines["name"], f"the name {name} is not that of the file; make them equal"


def _tools(document: Document, kind: Kind) -> Problems:
    for word in words(document.fields, kind.tools):
        tool = word.partition("(")[0]
        if tool not in TOOLS and not _SERVER.fullmatch(tool):
            yield document.key_lines[kind.tools], f"Claude Code has no tool {tool}; correct it or drop it"


def _globs(document: Document, page: Page, names: Names) -> Problems:
    for key in ("owns", "reads", "paths"):
        for word in words(document.fields, key) if key in document.fields else []:
            glob, planned, _ = word.partition(render_agents.PLANNED)
            named = Named(_line_of(page.text, word, document.key_lines[key]), glob, bool(planned))
            yield from ((named.line, problem) for problem in names.path(page, named))


def _check(document: Document, inventory: Inventory) -> Problems:
    command = document.fields.get("check")
    if isinstance(command, str):
        for problem in commands.problems(inventory, command):
            yield document.key_lines["check"], problem


def _line_of(text: str, word: str, first: int) -> int:
    """Line of an item of a list, at or after that of its key."""
    lines = text.splitlines()[first - 1 :]
    return next((first + offset for offset, line in enumerate(lines) if word in line), first)


def _drift(repository: Repository) -> Iterator[Finding]:
    try:
        lines = render_agents.drift(repository.root)
    except render_agents.AgentError as error:
        lines = [str(error)]
    for line in lines:
        path, _, rest = line.partition(":")
        number, _, text = rest.partition(": ")
        yield Finding(path, int(number) if number.isdigit() else 1, text or rest)


def _settings(repository: Repository) -> Iterator[Finding]:
    if SETTINGS not in repository.paths:
        return
    text = repository.text(SETTINGS) or ""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        yield Finding(SETTINGS, error.lineno, f"is no JSON ({error.msg}); mend it, Claude Code ignores the whole file")
        return
    schema = json.loads(repository.text(SCHEMA) or "{}")
    # part of dbt-core's dependencies; costs 0.1 s, so only where there is something to validate
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    for wrong in Draft202012Validator(schema).iter_errors(content):
        yield Finding(SETTINGS, _line_of_error(text, wrong), f"{wrong.json_path}: {wrong.message}; see {SCHEMA}")


def _line_of_error(text: str, error: Any) -> int:
    """Line of the first key that the error is about; JSON remembers no lines."""
    quoted = re.findall(r"'([^']+)'", error.message) if error.validator == "additionalProperties" else []
    names = [*quoted, *(str(part) for part in reversed(error.absolute_path) if isinstance(part, str))]
    for number, line in enumerate(text.splitlines(), 1):
        if names and f'"{names[0]}"' in line:
            return number
    return 1
