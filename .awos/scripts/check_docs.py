#!/usr/bin/env python3
"""Check that everything that documents name exists.

Usage: check_docs.py [ROOT]. Prints one line per finding, `file:line: what is wrong and how to fix it`. The exit code
is 1 if there is a finding. Names of other projects are listed in `docs_check/allowed.txt`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from docs_check.catalogue import Catalogue
from docs_check.documents import Document
from docs_check.forms import check_forms
from docs_check.leaks import find_leaks
from docs_check.names import NameChecker
from docs_check.repository import ALLOWED, Finding, Repository

_RELEASE = re.compile(r"^#+ \[?\d+\.\d+", re.MULTILINE)


def check(root: Path) -> list[Finding]:
    """Check a repository.

    Args:
        root: Its folder.

    Returns:
        Everything that is wrong, by file and line.
    """
    repository = Repository(root)
    # released versions in the changelog name what existed then
    documents = {
        path: Document(path, _RELEASE.split(text)[0] if path == "CHANGELOG.md" else text)
        for path, text in repository.texts.items()
        if path.endswith(".md")
    }
    findings = {*_check_names(repository, documents), *check_forms(repository, documents)}
    for path, text in repository.texts.items():
        if path != "uv.lock":
            findings |= {Finding(path, line, problem) for line, problem in find_leaks(path, text)}
    return sorted(findings)


def _check_names(repository: Repository, documents: dict[str, Document]) -> Iterator[Finding]:
    checker = NameChecker(repository, Catalogue(repository))
    lines = repository.texts.get(ALLOWED, "").splitlines()
    allowed = {line: number for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    used = set()
    # one mark is enough for the documents of a folder, such as those of a spec
    planned = {
        (document.folder, name.text) for document in documents.values() for name in document.names if name.is_planned
    }
    for document in documents.values():
        for name in document.names:
            missing = checker.find_missing(document, name)
            used |= {item.name for item in missing} & allowed.keys()
            problems = [str(item) for item in missing if item.name not in allowed]
            if name.is_planned and not missing:
                problems = [f"{name.text} is marked (planned) and exists; remove the mark"]
            elif (document.folder, name.text) in planned:
                problems = []
            yield from (Finding(document.path, name.line, problem) for problem in problems)
    for line in allowed.keys() - used:
        yield Finding(ALLOWED, allowed[line], f"{line} is not needed by any document; delete the line")


def main() -> int:
    """Print the findings; return the exit code."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    root = root if root.is_dir() else root.parents[2]
    # the packages of the checked copy win over installed ones
    sys.path.insert(0, str(root))
    findings = check(root)
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
