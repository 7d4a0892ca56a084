#!/usr/bin/env python3
"""Render the source of each specialist, `.awos/subagents/<name>.md`, to `.claude/agents/<name>.md`.

Claude Code loads the rendered file, which knows no `owns`, `check` or `reads`: they become sections of its text.

Usage: render_agents.py [--check] [ROOT]
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from docs_check.front_matter import Document, FrontMatterError, split, words

SOURCES = Path(".awos/subagents")
RENDERED = Path(".claude/agents")
KEYS = ("name", "description", "tools", "owns", "check", "reads")
TEXTS = ("name", "description", "check")
LISTS = ("tools", "owns", "reads")
# a glob of a module that is not built yet
PLANNED = " (planned)"
REMEDY = "run `make agents`"


class AgentError(ValueError):
    """A source cannot be rendered; the message names file, line, what is wrong and the remedy."""


@dataclass(frozen=True)
class Agent:
    """A specialist as its source describes it.

    Attributes:
        name: Same as the file's name without `.md`.
        description: When to delegate to it; Claude Code shows it to the orchestrator.
        tools: Claude Code tools that it may use.
        owns: Globs of the files that it may change.
        check: Command that must pass before it reports.
        reads: Files that it reads first.
        body: Markdown that the rendered file begins with.
    """

    name: str
    description: str
    tools: tuple[str, ...]
    owns: tuple[str, ...]
    check: str
    reads: tuple[str, ...]
    body: str

    @classmethod
    def load(cls, path: Path) -> "Agent":
        """Read a source.

        Args:
            path: The source's file.

        Raises:
            AgentError: The front matter is not strict.
        """
        try:
            document = split(path.read_text(encoding="utf-8"))
            _require(document, path.stem)
            tools, owns, reads = (tuple(words(document.fields, key)) for key in LISTS)
        except FrontMatterError as error:
            raise AgentError(f"{SOURCES / path.name}:{error.line}: {error}") from None
        name, description, check = (document.fields[key].strip() for key in TEXTS)
        return cls(name, description, tools, owns, check, reads, document.body.strip())


def _require(document: Document, name: str) -> None:
    fields = document.fields
    for key in KEYS:
        if not fields.get(key):
            raise FrontMatterError(document.key_lines.get(key, 1), f"{key} is missing or empty; the keys are {KEYS}")
    for key, line in document.key_lines.items():
        if key not in KEYS:
            raise FrontMatterError(line, f"the key {key!r} is not known; the keys are {KEYS}")
        if key in TEXTS and not isinstance(fields[key], str):
            raise FrontMatterError(line, f"{key} must be text; quote it")
        if key in LISTS and not isinstance(fields[key], list):
            raise FrontMatterError(line, f"{key} must be a list; write one `- item` a line")
    if fields["name"] != name:
        raise FrontMatterError(
            document.key_lines["name"], f"name is {fields['name']!r} and the file {name}.md; make them equal"
        )


def render(agent: Agent) -> str:
    """The text of the rendered file.

    Args:
        agent: The specialist.
    """
    head = {"name": agent.name, "description": agent.description, "tools": ", ".join(agent.tools)}
    # one line a value, as Claude Code's own files have it
    matter = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=10**9)
    parts = [
        f"---\n{matter}---",
        # no imperative here: linters take an instruction in a comment for an attack
        f"<!-- rendered from {SOURCES.as_posix()}/{agent.name}.md by `make agents` -->",
        agent.body,
        _section("Files you own", agent.owns),
        _section("Read first", agent.reads),
        f"## Your check command\n\n```bash\n{agent.check}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, items: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_code(item)}" for item in items)


def _code(item: str) -> str:
    name, mark, _ = item.partition(PLANNED)
    return f"`{name}`{mark}"


def render_all(root: Path) -> dict[Path, str]:
    """Text of every rendered file by its path under `root`, in the order of the names.

    Args:
        root: The repository.

    Raises:
        AgentError: A source cannot be rendered, or there is none.
    """
    sources = sorted((root / SOURCES).glob("*.md"))
    if not sources:
        raise AgentError(f"{SOURCES}: there is no source of an agent; add <name>.md")
    return {RENDERED / path.name: render(Agent.load(path)) for path in sources}


def drift(root: Path) -> list[str]:
    """What differs between the sources and the rendered files, a line each.

    Args:
        root: The repository.

    Raises:
        AgentError: A source cannot be rendered.
    """
    wanted = render_all(root)
    found = {path.relative_to(root) for path in (root / RENDERED).glob("*.md")}
    lines = [f"{path}:1: is not rendered; {REMEDY}" for path in wanted if path not in found]
    lines += [
        f"{path}:1: differs from {SOURCES / path.name}; change the source and {REMEDY}"
        for path, text in wanted.items()
        if path in found and (root / path).read_text(encoding="utf-8") != text
    ]
    lines += [
        f"{path}:1: has no source {SOURCES / path.name}; add it or delete the file"
        for path in found
        if path not in wanted
    ]
    return sorted(lines)


def write(root: Path) -> None:
    """Write every rendered file that differs.

    Args:
        root: The repository.

    Raises:
        AgentError: A source cannot be rendered; nothing is written.
    """
    for path, text in render_all(root).items():
        target = root / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def main() -> int:
    """Entry point; 0 when every rendered file is as its source says, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where a file differs")
    options = parser.parse_args()
    try:
        if not options.check:
            write(options.root)
        findings = drift(options.root)
    except AgentError as error:
        findings = [str(error)]
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
