#!/usr/bin/env python3
"""Render the source of each specialist, `.awos/subagents/<name>.md`, to `.claude/agents/<name>.md`.

Claude Code loads the rendered file. It does not know `owns`, `check` and `reads`, so they become sections of the text.

Usage: render_agents.py [--check] [ROOT]
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SOURCES = Path(".awos/subagents")
RENDERED = Path(".claude/agents")
# follows a glob of a module that is not built yet
PLANNED = " (planned)"
_SOURCE = re.compile(r"---\n(?P<matter>.*?\n)---\n(?P<body>.*)", re.DOTALL)

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]


class AgentError(ValueError):
    """A source cannot be rendered; the message names the file, the line and what is wrong."""


class Agent(BaseModel):
    """A specialist as its source describes it.

    Attributes:
        name: Name of the file without `.md`.
        description: When to delegate to it; Claude Code shows it to the orchestrator.
        tools: Claude Code tools that it may use.
        owns: Globs of the files that it may change.
        check: Command that must pass before it reports.
        reads: Files that it reads first.
        body: Markdown at the start of the rendered file.
    """

    model_config = ConfigDict(strict=True, extra="forbid", str_strip_whitespace=True)

    name: Text
    description: Text
    tools: Texts
    owns: Texts
    check: Text
    reads: Texts
    body: str


def load_agent(path: Path) -> Agent:
    """Read the source of a specialist.

    Args:
        path: The source's file.

    Raises:
        AgentError: A key is missing, unknown, repeated or has another type, or the name is not that of the file.
    """
    found = _SOURCE.match(path.read_text(encoding="utf-8"))
    if not found:
        raise _make_error(path, 1, "there is no front matter between two lines of ---")
    lines = _read_key_lines(path, found["matter"])
    try:
        agent = Agent(**yaml.safe_load(found["matter"]), body=found["body"])
    except ValidationError as error:
        problem = error.errors()[0]
        key = str(problem["loc"][0])
        raise _make_error(path, lines.get(key, 1), f"{key}: {problem['msg']}") from None
    if agent.name != path.stem:
        raise _make_error(path, lines["name"], f"name is {agent.name!r} and the file {path.name}; make them equal")
    return agent


def _read_key_lines(path: Path, matter: str) -> dict[str, int]:
    """Line of each key in the file. YAML itself accepts a repeated key, and the later value wins."""
    try:
        node = yaml.compose(matter)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise _make_error(path, line, f"the front matter is not YAML ({error.problem})") from None
    if not isinstance(node, yaml.MappingNode):
        raise _make_error(path, 1, "the front matter has no keys; write `key: value` lines")
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 2
        if key.value in lines:
            raise _make_error(path, line, f"the key {key.value} is repeated")
        lines[key.value] = line
    return lines


def _make_error(path: Path, line: int, problem: str) -> AgentError:
    return AgentError(f"{SOURCES / path.name}:{line}: {problem}")


def render(agent: Agent) -> str:
    """Render the text of `.claude/agents/<name>.md`.

    Args:
        agent: The specialist.
    """
    head = {"name": agent.name, "description": agent.description, "tools": ", ".join(agent.tools)}
    # one line per value, like Claude Code's own files
    matter = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=10**9)
    parts = [
        f"---\n{matter}---",
        # linters take an imperative in a comment for an attack
        f"<!-- rendered from {SOURCES.as_posix()}/{agent.name}.md by `make agents` -->",
        agent.body,
        _render_section("Files you own", agent.owns),
        _render_section("Read first", agent.reads),
        f"## Your check command\n\n```bash\n{agent.check}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _render_section(title: str, items: list[str]) -> str:
    names = (item.partition(PLANNED) for item in items)
    return f"## {title}\n\n" + "\n".join(f"- `{name}`{mark}" for name, mark, _ in names)


def render_all(root: Path) -> dict[Path, str]:
    """Render every agent.

    Args:
        root: The repository.

    Returns:
        Text of each rendered file by its path under `root`, sorted by name.

    Raises:
        AgentError: A source cannot be rendered, or there is none.
    """
    sources = sorted((root / SOURCES).glob("*.md"))
    if not sources:
        raise AgentError(f"{SOURCES}: there is no source of an agent; add <name>.md")
    return {RENDERED / path.name: render(load_agent(path)) for path in sources}


def find_drift(root: Path) -> list[str]:
    """Compare the rendered files with their sources.

    Args:
        root: The repository.

    Returns:
        One line per file that is missing, differs or has no source.

    Raises:
        AgentError: A source cannot be rendered.
    """
    expected = render_all(root)
    actual = {path.relative_to(root): path.read_text(encoding="utf-8") for path in (root / RENDERED).glob("*.md")}
    problems = {path: f"has no source {SOURCES / path.name}; add it or delete the file" for path in actual}
    for path, text in expected.items():
        if path not in actual:
            problems[path] = "is not rendered; run `make agents`"
        elif actual[path] != text:
            problems[path] = f"differs from {SOURCES / path.name}; change the source and run `make agents`"
        else:
            del problems[path]
    return [f"{path}:1: {problem}" for path, problem in sorted(problems.items())]


def write_all(root: Path) -> None:
    """Write every rendered file that differs.

    Args:
        root: The repository.

    Raises:
        AgentError: A source cannot be rendered. Nothing is written then.
    """
    for path, text in render_all(root).items():
        target = root / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def main() -> int:
    """Render, or check with `--check`; the exit code is 1 if a file does not match its source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where a file differs")
    options = parser.parse_args()
    try:
        if not options.check:
            write_all(options.root)
        findings = find_drift(options.root)
    except AgentError as error:
        findings = [str(error)]
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
