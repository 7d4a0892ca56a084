"""`data-stack new-source`: a new source from the files of a living one, complete or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from data_stack.errors import TerminalError, UsageError
from data_stack.settings import PROJECT_ROOT
from scaffold.copying import SourceCopy
from scaffold.dependents import find_naming_tests
from scaffold.generated_record import GeneratedRecord, find_record_path, make_record, read_record
from scaffold.names import check_name
from scaffold.ownership import OwnershipFinder
from scaffold.places import AdaptMark, find_adapt_marks
from scaffold.tree import Tree

if TYPE_CHECKING:
    from scaffold.profile.model import Profile

# written by `scaffold.reference`, which knows the settings of all sources
REFERENCE_FILES = (".env.example", "docs/settings.md", "docs/sources.md", "docker-compose.yml")


@dataclass(frozen=True)
class NewSource:
    """What the command did or, in a dry run, would do.

    Attributes:
        targets: New path of each copied file, by its old path.
        edited: Existing files that are changed; all of them are generated ones.
        marks: What to adapt.
        drafts: What was drafted from a sample.
        is_unchanged: Everything was there already.
    """

    targets: dict[str, str]
    edited: list[str] = field(default_factory=list)
    marks: list[AdaptMark] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    is_unchanged: bool = False


def plan_source(name: str, like: str, root: Path = PROJECT_ROOT, sample: "Profile | None" = None) -> NewSource:
    """Find what `create_source` would do, and write nothing.

    Args:
        name: The new source.
        like: The living source to copy.
        root: Folder of the repository.
        sample: Profile of a sample of the provider's data, to draft from.

    Raises:
        UsageError: The source cannot have this name, or there is none to copy.
    """
    copies, targets = _build(root, name, like, sample)
    if not _find_missing(root, copies):
        return NewSource(targets, [], find_adapt_marks(root, name, list(copies)), is_unchanged=True)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), copies)
        marks = find_adapt_marks(Path(folder), name, sorted(copies))
    return NewSource(targets, [path for path in REFERENCE_FILES if (root / path).exists()], marks, _list_drafts(copies))


def create_source(name: str, like: str, root: Path = PROJECT_ROOT, sample: "Profile | None" = None) -> NewSource:
    """Copy the files of a living source under a new name, and list its settings where settings are listed.

    Args:
        name: The new source.
        like: The living source to copy.
        root: Folder of the repository.
        sample: Profile of a sample of the provider's data, to draft from.

    Returns:
        What was written; a second call writes nothing.

    Raises:
        UsageError: The source cannot have this name, there is none to copy, or a file of it exists with other content.
        TerminalError: A tool failed; nothing was written.
    """
    copies, targets = _build(root, name, like, sample)
    if not _find_missing(root, copies):
        return NewSource(targets, [], find_adapt_marks(root, name, sorted(copies)), is_unchanged=True)
    _move_in(root, copies)
    edited = write_reference_of(root)
    return NewSource(targets, edited, find_adapt_marks(root, name, sorted(copies)), _list_drafts(copies))


def build_files(
    root: Path, name: str, like: str, sample: "Profile | None" = None
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Make the files of a new source in memory.

    Args:
        root: Folder of the repository.
        name: The new source; what an earlier call made of it is not looked at.
        like: The living source.
        sample: Profile of a sample, to draft from; without it, the drafts of an earlier call stay.

    Returns:
        The files with their record by path, and the new path of each copied file by its old path.
    """
    record = read_record(root, name)
    tree = Tree(root, frozenset(record.files if record else ()))
    copy = SourceCopy(tree, like, name)
    copies = copy.build()
    copies |= _build_drafts(root, copy, copies, record, sample)
    named_before = record.named_before if record else find_naming_tests(OwnershipFinder(tree), name)
    made = make_record(name, like, copies, named_before)
    return {**copies, find_record_path(name): made.render()}, copy.find_targets()


def _build_drafts(
    root: Path,
    copy: SourceCopy,
    copies: dict[str, bytes],
    record: GeneratedRecord | None,
    sample: "Profile | None",
) -> dict[str, bytes]:
    """The drafts from the sample, or those of an earlier call; the copies they are for point to them."""
    from scaffold.source_drafts import add_draft_marks, make_drafts, read_drafts

    drafts = read_drafts(root, record) if record else {}
    if sample:
        drafts = make_drafts(root, copy.name, copy.table, sample)
    add_draft_marks(copy.name, copy.table, copies, drafts)
    return drafts


def write_reference_of(root: Path) -> list[str]:
    """Write the files that list the settings of all sources, in a process that imports the repository as it is now.

    Returns:
        The files that have changed.

    Raises:
        TerminalError: They could not be made; shows the last line of the error.
    """
    # elsewhere, Python would find the module of the repository that this code is in
    if not (root / "scaffold" / "reference.py").is_file():
        return []
    command = [sys.executable, "-m", "scaffold.reference"]
    # a folder of the caller's must not hide the repository's own modules
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TerminalError(f"the files are written, but not the lists of settings: {last}; run `make generate`")
    return [line.removeprefix("wrote ") for line in done.stdout.splitlines()]


def _build(root: Path, name: str, like: str, sample: "Profile | None") -> tuple[dict[str, bytes], dict[str, str]]:
    tree = Tree(root)
    if like not in tree.source_names:
        raise UsageError(f"there is no source {like!r} to copy; choose one of {', '.join(tree.source_names) or 'none'}")
    if read_record(root, name) is None:
        check_name(tree, name)
    files, targets = build_files(root, name, like, sample)
    _refuse_to_clobber(root, files)
    return files, targets


def _list_drafts(files: dict[str, bytes]) -> list[str]:
    return [path for path in files if path.startswith("context/")]


def _refuse_to_clobber(root: Path, files: dict[str, bytes]) -> None:
    others = [path for path, text in files.items() if (root / path).exists() and (root / path).read_bytes() != text]
    if others:
        raise UsageError(
            f"{len(others)} files exist with other content: {', '.join(others[:5])}{', ...' if others[5:] else ''}; "
            "nothing was written; choose another name, or take the source out with `data-stack remove-source`"
        )


def _find_missing(root: Path, files: dict[str, bytes]) -> list[str]:
    return [path for path in files if not (root / path).exists()]


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _move_in(root: Path, files: dict[str, bytes]) -> None:
    """Write all files or none: first beside the repository's files, then each to its place."""
    staged = Path(tempfile.mkdtemp(prefix=".new-source-", dir=root))
    moved: list[Path] = []
    try:
        missing = _find_missing(root, files)
        _write(staged, {path: files[path] for path in missing})
        for path in missing:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            moved.append((staged / path).rename(root / path))
    except OSError as error:
        for done in moved:
            done.unlink(missing_ok=True)
        raise TerminalError(f"could not write the source, nothing was changed: {error}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
