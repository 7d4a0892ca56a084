"""A copy of the repository in which tests plant defects."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from data_stack.settings import PROJECT_ROOT

LINTERS = PROJECT_ROOT / ".venv-agents"
needs_linters = pytest.mark.skipif(
    not (LINTERS / "bin" / "agnix").exists(), reason="`make docs-check` installs the linters into .venv-agents"
)
LIST_FILES = ("git", "ls-files", "-co", "--exclude-standard", "-z")


def run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says."""
    return subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)


@dataclass
class Tree:
    """A copy under git, so that a defect can be taken back.

    Args:
        root: Its folder.
    """

    root: Path

    def __truediv__(self, path: str) -> Path:
        return self.root / path

    def read(self, path: str) -> str:
        """Text of a file."""
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Write a file and the folders that it needs."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def append(self, path: str, text: str) -> int:
        """Add a line below a file; its number."""
        before = self.read(path).rstrip("\n") + "\n\n"
        self.write(path, before + text + "\n")
        return before.count("\n") + 1

    def replace(self, path: str, old: str, new: str) -> int:
        """Replace a text that must be there, once; the line of its begin."""
        before = self.read(path)
        assert old in before, f"{path} has no {old!r}"
        self.write(path, before.replace(old, new, 1))
        return before[: before.index(old)].count("\n") + 1

    def delete(self, path: str) -> None:
        """Remove a file."""
        (self.root / path).unlink()

    def move(self, path: str, to: str) -> None:
        """Rename a file."""
        (self.root / to).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).rename(self.root / to)

    def restore(self) -> None:
        """Undo everything since the copy was made."""
        run("git", "checkout", "-q", ".", folder=self.root)
        run("git", "clean", "-qfdx", folder=self.root)

    def lint(self) -> tuple[int, str]:
        """Run the linters of agent files: exit code and output."""
        done = run(".awos/scripts/lint_agents.sh", LINTERS, folder=self.root)
        return done.returncode, done.stdout + done.stderr

    @cached_property
    def clean(self) -> list[Any]:
        """Findings before anything is planted; ask for it before you plant."""
        return self._check()

    def new_findings(self) -> list[Any]:
        """Findings that were not there before."""
        known = {(finding.path, finding.text) for finding in self.clean}
        return [finding for finding in self._check() if (finding.path, finding.text) not in known]

    def _check(self) -> list[Any]:
        import check_docs

        return check_docs.check(self.root)


def files_of(root: Path) -> set[str]:
    """Paths that git tracks or would track."""
    listed = run(*LIST_FILES, folder=root).stdout.split("\0")
    return {path for path in listed if path and (root / path).is_file()}


def copy_of_repository(root: Path) -> Tree:
    """Copy what git tracks or would track, and commit it there."""
    for path in files_of(PROJECT_ROOT):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT_ROOT / path, root / path)
    run("git", "init", "-q", folder=root)
    run("git", "add", "-A", folder=root)
    run(
        *(
            "git",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "core.hooksPath=",
            "-c",
            "commit.gpgsign=false",
        ),
        *("commit", "-q", "-m", "copy"),
        folder=root,
    )
    tree = Tree(root)
    assert tree.clean is not None
    return tree
