"""The form of `context/spec/NNN-name/`: its three documents, an agent for each task, and known states."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from docs_check.markdown import Page
from docs_check.repository import Finding

DOCUMENTS = ("functional-spec.md", "technical-considerations.md", "tasks.md")
STATES = ("Draft", "In Review", "Approved", "Completed")
_SPEC = re.compile(r"context/spec/([^/]+)/[^/]+")
_FOLDER = re.compile(r"\d{3}-[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TASK = re.compile(r"^\s*[-*] \[.?\]")
_ITEM = re.compile(r"^\s*([-*] |\d+\.|#|<!--|\|)")
_AGENT = re.compile(r"\*\*\[Agent: [^\]]+\]\*\*")
_STATUS = re.compile(r"^[\s*-]*Status:?\**:?\s*\**(.*?)\**\s*$")


def findings(pages: Sequence[Page]) -> Iterator[Finding]:
    """What is wrong with the documents of the specs.

    Args:
        pages: All documents.
    """
    folders: dict[str, set[str]] = {}
    for page in pages:
        if page.path.startswith(("context/", ".awos/templates/")):
            yield from _states(page)
        if found := _SPEC.fullmatch(page.path):
            folders.setdefault(found[1], set()).add(PurePosixPath(page.path).name)
            yield from _document(page)
    for folder, names in folders.items():
        yield from _folder(folder, names)


def _folder(folder: str, names: set[str]) -> Iterator[Finding]:
    path = f"context/spec/{folder}"
    if not _FOLDER.fullmatch(folder):
        yield Finding(path, 1, "is not named NNN-name; create it with .awos/scripts/create-spec-directory.sh")
    for name in DOCUMENTS:
        if name not in names:
            yield Finding(f"{path}/{name}", 1, f"is missing; write it from .awos/templates/{name[:-3]}-template.md")


def _states(page: Page) -> Iterator[Finding]:
    for number, line in enumerate(page.outside.split("\n"), 1):
        found = _STATUS.match(line)
        if found and found[1] not in STATES:
            yield Finding(page.path, number, f"Status {found[1] or '(empty)'} is not known; use {', '.join(STATES)}")


def _document(page: Page) -> Iterator[Finding]:
    name = PurePosixPath(page.path).name
    lines = page.outside.split("\n")
    if name in DOCUMENTS[:2] and not any(_STATUS.match(line) for line in lines):
        yield Finding(page.path, 1, f"has no Status line; write `Status: {STATES[0]}` below the title")
    if name != "tasks.md":
        return
    for number, line in enumerate(lines, 1):
        if _TASK.match(line) and not _AGENT.search(_item(lines, number)):
            yield Finding(page.path, number, "the task names no agent; end it with **[Agent: name]**")


def _item(lines: list[str], number: int) -> str:
    """A task from its line on, with the lines that it goes on over."""
    item = [lines[number - 1]]
    for line in lines[number:]:
        if not line.strip() or _ITEM.match(line):
            break
        item.append(line)
    return " ".join(item)
