"""The form of CLAUDE.md and AGENTS.md: length, sections, imports, and that the root file names those of the modules."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from docs_check.markdown import Page
from docs_check.repository import Finding, Repository

LINES_MAX = 199
MODULES = ("data_stack", "dlt_pipeline", "data_quality", "dbt", "streamlit_app", "airflow", "notebooks", "tests")
SECTIONS = (
    ("The pattern to copy",),
    ("Rules, and why",),
    ("Check",),
    ("A new source also touches", "A new source touches here"),
    ("Mistake -> Fix",),
    ("Handover",),
)
ROOT_SECTIONS = ("architecture", "way of the data", "rules", "commands", "delegate")
_IMPORT = re.compile(r"(?<![\w@`])@([\w./~-]+\.[a-z]+|[\w.~-]+/[\w./~-]+)")


def findings(repository: Repository, pages: Sequence[Page]) -> Iterator[Finding]:
    """What is wrong with the files that agents read first.

    Args:
        repository: The working copy.
        pages: Its documents.
    """
    by_path = {page.path: page for page in pages}
    for page in pages:
        yield from _imports(repository, page)
        if PurePosixPath(page.path).name == "CLAUDE.md":
            yield from _claude(page)
    yield from _missing(repository, by_path)
    yield from _root(by_path)


def _claude(page: Page) -> Iterator[Finding]:
    count = len(page.text.splitlines())
    if count > LINES_MAX:
        yield Finding(page.path, count, f"has {count} lines and may have {LINES_MAX}; move or cut what is not needed")
    if not _has_purpose(page):
        yield Finding(page.path, 1, "says no purpose; begin with `# title`, an empty line and a paragraph")
    titles = [heading.title for heading in page.headings]
    if "/" in page.path:
        wanted = [names for names in SECTIONS if not any(name in titles for name in names)]
        missing = [" or ".join(f"`## {name}`" for name in names) for names in wanted]
    else:
        missing = [f"`## ... {word} ...`" for word in ROOT_SECTIONS if not any(word in name.lower() for name in titles)]
    for title in missing:
        yield Finding(page.path, 1, f"the section {title} is missing; write it")


def _has_purpose(page: Page) -> bool:
    lines = [line for line in page.text.splitlines() if line.strip()]
    return len(lines) > 1 and lines[0].startswith("# ") and not lines[1].startswith(("#", "|", "-", "```"))


def _missing(repository: Repository, by_path: dict[str, Page]) -> Iterator[Finding]:
    for module in MODULES:
        path = f"{module}/CLAUDE.md"
        if module in repository.paths and path not in by_path:
            yield Finding(path, 1, f"the module {module} has no CLAUDE.md; copy the form of data_stack/CLAUDE.md")


def _root(by_path: dict[str, Page]) -> Iterator[Finding]:
    root = by_path.get("CLAUDE.md")
    if root is None:
        yield Finding("CLAUDE.md", 1, "is missing; write architecture, way of the data, rules, commands, delegation")
    else:
        named = {span.text for span in root.spans} | {link.text for link in root.links}
        for path in by_path:
            folder = path.removesuffix("CLAUDE.md")
            if folder and path.endswith("/CLAUDE.md") and not named & {path, folder, folder.rstrip("/")}:
                yield Finding("CLAUDE.md", 1, f"does not name {path}; add the module to its table")
    agents = by_path.get("AGENTS.md")
    if agents is None or "CLAUDE.md" not in agents.text:
        yield Finding("AGENTS.md", 1, "must point to CLAUDE.md, for tools that read no CLAUDE.md; write one sentence")


def _imports(repository: Repository, page: Page) -> Iterator[Finding]:
    """`@path` of Claude Code: from the file's folder, in commands and agents from the root."""
    folder = PurePosixPath() if page.path.startswith((".claude/", ".awos/")) else PurePosixPath(page.path).parent
    for number, line in enumerate(page.prose, 1):
        for found in _IMPORT.finditer(line):
            path = str(folder / found[1].rstrip("."))
            if path not in repository.paths:
                yield Finding(page.path, number, f"the import @{found[1]} leads nowhere; correct the path")
