"""The record of what `new-source` added, which is committed with the source and read by `remove-source`."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from scaffold.ownership import GENERATED_FOLDER


@dataclass(frozen=True)
class GeneratedRecord:
    """What a command added for a source.

    Attributes:
        name: The source.
        like: The source that it was copied from.
        files: SHA-256 of each file as it was written, by path.
        named_before: Tests that used the name before there was such a source, and do not go with it.
    """

    name: str
    like: str
    files: dict[str, str]
    named_before: tuple[str, ...] = ()

    def render(self) -> bytes:
        """The record as it is written."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def find_record_path(name: str) -> str:
    """Path of the record of a source, relative to the repository."""
    return f"{GENERATED_FOLDER}/{name}.json"


def read_record(root: Path, name: str) -> GeneratedRecord | None:
    """Read the record of a source; none if no command made the source.

    Args:
        root: Folder of the repository.
        name: The source.
    """
    path = root / find_record_path(name)
    return GeneratedRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def make_record(name: str, like: str, files: dict[str, bytes], named_before: Iterable[str]) -> GeneratedRecord:
    """Make the record of files that are about to be written."""
    return GeneratedRecord(
        name, like, {path: compute_hash(content) for path, content in sorted(files.items())}, tuple(named_before)
    )


def compute_hash(content: bytes) -> str:
    """SHA-256 of a file, as hex digits."""
    return hashlib.sha256(content).hexdigest()
