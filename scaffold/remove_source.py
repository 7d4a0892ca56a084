"""`data-stack remove-source`: takes a source out with everything that cannot live without it."""

import difflib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from data_stack.errors import TerminalError, UsageError
from data_stack.settings import PROJECT_ROOT
from scaffold.dependents import find_blockers
from scaffold.documents import Mentions
from scaffold.generated_record import GeneratedRecord, compute_hash, find_record_path, read_record
from scaffold.new_source import build_files, write_reference_of
from scaffold.ownership import Ownership, OwnershipFinder
from scaffold.tree import Tree


@dataclass(frozen=True)
class Removal:
    """What a removal takes out.

    Attributes:
        ownership: The files of the source and those that cannot live without it, with the reasons.
        documents: New text of the documents that name a removed file or model, by path.
        edited: Files that differ from what the command made or from the last commit, or are in neither.
        is_generated: A command made the source, and there is a record of what it wrote.
    """

    ownership: Ownership
    documents: dict[str, str]
    edited: list[str]
    is_generated: bool

    @property
    def paths(self) -> list[str]:
        """All files that go, sorted."""
        return sorted({*self.ownership.owned, *self.ownership.dependents})


def plan_removal(name: str, root: Path = PROJECT_ROOT) -> Removal:
    """Find what the removal of a source takes out, and change nothing.

    Args:
        name: The source.
        root: Folder of the repository.

    Raises:
        UsageError: There is no such source, or a file that stays imports one of its files.
    """
    tree = Tree(root)
    if name not in tree.source_names:
        raise UsageError(f"there is no source {name!r}; the registry knows {', '.join(tree.source_names) or 'none'}")
    finder, record = OwnershipFinder(tree), read_record(root, name)
    ownership = finder.find(name)
    removed = {*ownership.owned, *ownership.dependents}
    _refuse_blockers(name, find_blockers(finder, removed))
    nodes = {node.name for node in finder.dbt.nodes.values() if node.path in removed}
    documents = Mentions(tree, removed, nodes, name).find_changed_documents()
    edited = _find_edited(root, record, removed) if record else _find_uncommitted(root, removed)
    return Removal(ownership, documents, edited, record is not None)


def remove_source(removal: Removal, root: Path = PROJECT_ROOT, force: bool = False) -> list[str]:
    """Take a source out, completely or not at all.

    Args:
        removal: What to take out, from `plan_removal`.
        root: Folder of the repository.
        force: Take out what was edited, too.

    Returns:
        Documents and generated files that were changed.

    Raises:
        UsageError: Files were edited since they were made or committed, and `force` is not set.
        TerminalError: A file could not be moved; nothing was changed.
    """
    if removal.edited and not force:
        since = "new-source made them" if removal.is_generated else "the last commit"
        raise UsageError(
            f"{len(removal.edited)} files were edited or added since {since}: {', '.join(removal.edited[:5])}"
            f"{', ...' if removal.edited[5:] else ''}; pass --force, which shows the diff and removes them, too"
        )
    _move_out(root, removal.paths)
    for path, text in removal.documents.items():
        (root / path).write_text(text, encoding="utf-8")
    return [*removal.documents, *write_reference_of(root)]


def show_edits(removal: Removal, root: Path = PROJECT_ROOT) -> str:
    """Show what was edited since the source was made or committed, as a unified diff."""
    name = removal.ownership.source_name
    record = read_record(root, name)
    originals = _find_originals(root, record) if record else {}
    parts = []
    for path in removal.edited:
        original = originals.get(path)
        before = _read_committed(root, path) if original is None else original
        now = (root / path).read_bytes() if (root / path).is_file() else b""
        old, new = (text.decode(errors="replace").splitlines(keepends=True) for text in (before, now))
        parts.append("".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")))
    return "\n".join(parts)


def _refuse_blockers(name: str, blockers: dict[str, str]) -> None:
    if blockers:
        found = "; ".join(f"{path} imports {gone}" for path, gone in sorted(blockers.items())[:5])
        raise UsageError(f"{name} cannot be removed: {found}; change the files that stay, or remove their source first")


def _find_edited(root: Path, record: GeneratedRecord, removed: set[str]) -> list[str]:
    """Files of a generated source that are not as they were written, and those that came later."""
    written = record.files
    known = {*written, find_record_path(record.name)}
    changed = {
        path
        for path, digest in written.items()
        if (root / path).is_file() and compute_hash((root / path).read_bytes()) != digest
    }
    return sorted(changed | (removed - known))


def _find_uncommitted(root: Path, removed: set[str]) -> list[str]:
    command = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--", *sorted(removed)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    return sorted(entry[3:] for entry in done.stdout.split("\0") if entry[3:] in removed)


def _find_originals(root: Path, record: GeneratedRecord) -> dict[str, bytes]:
    """What `new-source` wrote, made again; a file whose model has changed meanwhile is not the same and is left out."""
    if record.like not in Tree(root).source_names:
        return {}
    files, _ = build_files(root, record.name, record.like)
    return {path: text for path, text in files.items() if record.files.get(path) == compute_hash(text)}


def _read_committed(root: Path, path: str) -> bytes:
    command = ["git", "show", f"HEAD:{path}"]
    return subprocess.run(command, cwd=root, capture_output=True, check=False).stdout  # noqa: S603


def _move_out(root: Path, paths: list[str]) -> None:
    """Remove all files or none: first aside, then for good."""
    aside = Path(tempfile.mkdtemp(prefix=".remove-source-", dir=root))
    moved: list[str] = []
    try:
        for path in paths:
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).rename(aside / path)
            moved.append(path)
    except OSError as error:
        for path in moved:
            (aside / path).rename(root / path)
        raise TerminalError(f"could not remove the source, nothing was changed: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for folder in sorted({(root / path).parent for path in paths}, reverse=True):
        _remove_empty(folder, root)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder with nothing but bytecode in it, and then those above it."""
    while folder != root and folder.is_dir() and {entry.name for entry in folder.iterdir()} <= {"__pycache__"}:
        shutil.rmtree(folder)
        folder = folder.parent
