#!/usr/bin/env python3
"""Check that everything the documents and agent files name exists, and that they have the form that tools need.

Usage: check_docs.py [ROOT]. Prints one line a finding, `file:line: what, and the remedy`; exits with 1 if there is one.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from docs_check import agent_files, leaks, modules, specs
from docs_check.inventory import Inventory
from docs_check.markdown import Page
from docs_check.names import Names
from docs_check.repository import Allowed, Finding, Repository


def check(root: Path) -> list[Finding]:
    """Everything that is wrong, by file and line.

    Args:
        root: The repository.
    """
    return sorted(set(_findings(Repository(root.resolve()))))


def _findings(repository: Repository) -> Iterator[Finding]:
    inventory, allowed = Inventory(repository), Allowed(repository)
    names = Names(repository, inventory, allowed)
    pages = [Page(path, repository.text(path) or "") for path in repository.documents]
    for page in pages:
        yield from names.findings(page)
    yield from modules.findings(repository, pages)
    yield from specs.findings(pages)
    yield from agent_files.findings(repository, pages, names, inventory)
    yield from leaks.findings(repository, allowed)
    yield from allowed.unused()


def main() -> int:
    """Entry point; 0 when nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    root = parser.parse_args().root.resolve()
    # the packages of the copy that is checked, whichever one is installed
    sys.path.insert(0, str(root))
    if not (root / ".git").exists():
        parser.error(f"{root} is no git repository, and the files to check are those of git; give the folder of one")
    found = check(root)
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
