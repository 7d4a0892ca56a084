"""Check the form of CLAUDE.md and AGENTS.md files and of specs in `context/`."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from docs_check.documents import Document
from docs_check.repository import Finding, Repository

_LINES_MAX = 199
_NO_MODULE = ("benchmarks", "context", "docs")
_SECTIONS = (
    "The pattern to copy",
    "Rules, and why",
    "Check",
    "A new source (?:also touches|touches here)",
    "Mistake -> Fix",
    "Handover",
)
_ROOT_SECTIONS = (".*architecture.*", ".*way of the data.*", ".*rules.*", ".*commands.*", ".*delegate.*")
_PURPOSE = re.compile(r"# .+\n+[^#|\-`\n]")
_SPEC_DOCUMENTS = ("functional-spec", "technical-considerations", "tasks")
_STATES = ("Draft", "In Review", "Approved", "Completed")
_STATUS = re.compile(r"^[\s*-]*Status:?\**:?[ \t]*\**(.*?)\**[ \t]*$", re.MULTILINE)
# a task and the lines that continue it
_TASK = re.compile(r"^[ \t]*[-*] \[.?\].*(?:\n(?![ \t]*(?:[-*] |\d+\.|#|<!--|\||$)).+)*", re.MULTILINE)
_AGENT = re.compile(r"\*\*\[Agent: [^\]]+\]\*\*")


def check_forms(repository: Repository, documents: dict[str, Document]) -> Iterator[Finding]:
    """Check what agents read first, and the documents of each spec.

    Args:
        repository: The working copy.
        documents: Its Markdown files, by path.
    """
    for path, document in documents.items():
        if PurePosixPath(path).name == "CLAUDE.md":
            yield from _check_claude(document)
        if path.startswith(("context/", ".awos/templates/")):
            yield from _check_states(document)
    yield from _check_modules(repository, documents)
    for folder in repository.find("context/spec/*"):
        yield from _check_spec(repository, folder, documents)


def _check_claude(document: Document) -> Iterator[Finding]:
    count = len(document.text.splitlines())
    if count > _LINES_MAX:
        yield Finding(document.path, count, f"has {count} lines, more than {_LINES_MAX}; move or remove some")
    if not _PURPOSE.match(document.text):
        yield Finding(document.path, 1, "does not state its purpose; start with `# title` and a paragraph")
    for section in _SECTIONS if "/" in document.path else _ROOT_SECTIONS:
        if not any(re.fullmatch(section, title, re.IGNORECASE) for title in document.headings):
            yield Finding(document.path, 1, f"the section `## {section}` is missing; add it")


def _check_modules(repository: Repository, documents: dict[str, Document]) -> Iterator[Finding]:
    root = documents["CLAUDE.md"]
    names = {name.text.removesuffix("CLAUDE.md").rstrip("/") for name in root.names if name.kind in ("code", "link")}
    for folder in repository.find("*"):
        if folder.startswith(".") or folder in _NO_MODULE or not repository.find(f"{folder}/*"):
            continue
        if f"{folder}/CLAUDE.md" not in documents:
            yield Finding(
                f"{folder}/CLAUDE.md", 1, f"the module {folder} has no CLAUDE.md; copy the form of another one"
            )
        elif folder not in names:
            yield Finding("CLAUDE.md", 1, f"does not name {folder}/CLAUDE.md; add the module to its table")
    if "AGENTS.md" not in documents or "CLAUDE.md" not in documents["AGENTS.md"].text:
        yield Finding("AGENTS.md", 1, "must point to CLAUDE.md for tools that do not read it; add one sentence")


def _check_states(document: Document) -> Iterator[Finding]:
    for found in _STATUS.finditer(document.text):
        if found[1] not in _STATES:
            line = document.text.count("\n", 0, found.start(1)) + 1
            yield Finding(document.path, line, f"Status {found[1] or '(empty)'} is unknown; use {', '.join(_STATES)}")


def _find_required(repository: Repository, folder: str, documents: dict[str, Document]) -> tuple[str, ...]:
    """The short path has half a page of specification; each later document needs the others."""
    # `data-stack new-source --sample` writes drafts before there is a specification
    if repository.find(f"{folder}/*") == [f"{folder}/drafts"]:
        return ()
    later = [name for name in _SPEC_DOCUMENTS[1:] if f"{folder}/{name}.md" in documents]
    return _SPEC_DOCUMENTS if later else _SPEC_DOCUMENTS[:1]


def _check_spec(repository: Repository, folder: str, documents: dict[str, Document]) -> Iterator[Finding]:
    if not re.fullmatch(r"context/spec/\d{3}-[a-z][a-z0-9]*(-[a-z0-9]+)*", folder):
        yield Finding(folder, 1, "is not named NNN-name; create it with .awos/scripts/create-spec-directory.sh")
    for name in _find_required(repository, folder, documents):
        path = f"{folder}/{name}.md"
        if path not in documents:
            yield Finding(path, 1, f"is missing; write it from .awos/templates/{name}-template.md")
        elif name != "tasks" and not _STATUS.search(documents[path].text):
            yield Finding(path, 1, f"has no Status line; add `Status: {_STATES[0]}` below the title")
        elif name == "tasks":
            for task in _TASK.finditer(documents[path].text):
                if not _AGENT.search(task[0]):
                    line = documents[path].text.count("\n", 0, task.start()) + 1
                    yield Finding(path, line, "the task names no agent; end it with **[Agent: name]**")
