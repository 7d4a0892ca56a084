"""What has changed in the repository: the files of the git diff, and the parts of Python files that differ."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_stack.errors import UsageError
from data_stack.settings import PROJECT_ROOT
from scaffold.code_graph import Key, find_changed
from scaffold.tree import Tree

_MAIN = ("main", "origin/main", "master", "origin/master")


@dataclass(frozen=True)
class Change:
    """A changed file.

    Attributes:
        path: Relative to the repository.
        parts: What has changed in a Python file; empty for other files.
        is_listed: Whether the list of its folder has changed, because it is new or was removed.
    """

    path: str
    parts: frozenset[Key] = frozenset()
    is_listed: bool = False


def find_changes(base: str | None) -> list[Change]:
    """The files that differ from the base: committed since, uncommitted and new ones.

    Args:
        base: A commit; None takes the one where this branch left main.

    Raises:
        UsageError: There is no such commit.
    """
    commit = _find_base(base)
    names = _run_git("diff", "--name-only", "--no-renames", "-z", commit).split("\0")
    new = _run_git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return [_compare(path, _try_git("show", f"{commit}:{path}")) for path in sorted({*names, *new} - {""})]


def name_files(files: Sequence[str]) -> list[Change]:
    """Files as if everything in them had changed.

    Args:
        files: Paths relative to the current folder or to the repository.

    Raises:
        UsageError: A file does not exist.
    """
    return [_compare(_name_path(file), None, is_listed=False) for file in files]


def list_python_files() -> dict[str, str]:
    """Code of each Python file of the repository, by its path."""
    return _read_files(".py")


def list_documents() -> dict[str, str]:
    """Text of each document, by its path."""
    return _read_files(".md")


def _read_files(suffix: str) -> dict[str, str]:
    tree = Tree(PROJECT_ROOT)
    return {path: tree.read(path) for path in tree.list_files("", suffix)}


def _compare(path: str, before: str | None, is_listed: bool = True) -> Change:
    after = _read_file(path)
    parts = find_changed(path, before, after) if path.endswith(".py") else set[Key]()
    return Change(path, frozenset(parts), is_listed and (before is None or after is None))


def _find_base(base: str | None) -> str:
    found = [name for name in ([base] if base else _MAIN) if _try_git("rev-parse", "--verify", f"{name}^{{commit}}")]
    if base and not found:
        raise UsageError(f"there is no commit {base!r} to compare with; `git log` lists them")
    # a clone without main compares with its last commit
    shared = _try_git("merge-base", "HEAD", found[0]) if found else None
    return shared.strip() if shared else "HEAD"


def _read_file(path: str) -> str | None:
    try:
        return (PROJECT_ROOT / path).read_text(errors="replace")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _name_path(file: str) -> str:
    for start in (Path.cwd(), PROJECT_ROOT):
        found = (start / file).resolve()
        if found.is_file() and found.is_relative_to(PROJECT_ROOT):
            return found.relative_to(PROJECT_ROOT).as_posix()
    raise UsageError(f"there is no file {file!r} in the repository; a file that was removed is in the git diff")


def _run_git(*arguments: str) -> str:
    done = _call_git(*arguments)
    if done.returncode:
        raise UsageError(
            f"`git {arguments[0]}` failed in {PROJECT_ROOT}: {done.stderr.strip()}; name the files instead"
        )
    return done.stdout


def _try_git(*arguments: str) -> str | None:
    """What git prints; None if it fails."""
    done = _call_git(*arguments)
    return None if done.returncode else done.stdout


def _call_git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, errors="replace")  # noqa: S603
