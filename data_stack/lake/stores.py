"""Where a lake is: a folder, or a bucket (`s3.py`). A store knows bytes and paths, and nothing of manifests."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import duckdb

from data_stack.errors import LakeUnavailableError
from data_stack.locks import hold_file

PIECE_BYTES = 1024 * 1024
"""How much of a file is in memory at once."""

_SWAP_SECONDS = 30
_LOCKS = ".locks"


@dataclass(frozen=True)
class StoredFile:
    """A file of a store.

    Attributes:
        path: Relative to the root.
        size_bytes: Its size.
        modified_at: When it was written, with a time zone.
    """

    path: str
    size_bytes: int
    modified_at: datetime


class LakeStore(Protocol):
    """What a lake needs of its storage; every path is relative to its root.

    Attributes:
        root: The folder, or `s3://bucket/prefix`; without credentials, so it may be shown.
    """

    root: str

    def read(self, path: str) -> tuple[bytes, str] | None:
        """A file and the tag of its content; None where there is none."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file; a reader sees all of it or nothing."""

    def upload(self, path: str, file: Path) -> None:
        """Copy a local file; a reader sees all of it or nothing."""

    def find_size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def stream(self, path: str) -> Iterator[bytes] | None:
        """The bytes of a file, piece by piece; None where there is none."""

    def swap(self, path: str, content: bytes, seen: str | None) -> bool:
        """Replace a file unless somebody else did since it was read.

        Args:
            path: The file.
            content: The new content.
            seen: Tag of what was read; None where there was no file.

        Returns:
            Whether it was replaced.
        """

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """All files below a folder, those of killed writers included."""

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files; those that are gone are no error."""

    def locate(self, path: str) -> str:
        """The path or URL under which engines open a file."""

    def connect(self, db: duckdb.DuckDBPyConnection) -> None:
        """Let a connection of DuckDB open the files."""


class FolderStore:
    """A lake in a folder, which only its owner may enter if this makes it: the files have the raw columns.

    Args:
        folder: The folder; made with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self._folder = folder

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See `LakeStore`."""
        with self._explain():
            try:
                content = (self._folder / path).read_bytes()
            except FileNotFoundError:
                return None
        return content, hashlib.sha256(content).hexdigest()

    def write(self, path: str, content: bytes) -> None:
        """See `LakeStore`."""
        with self._explain():
            temporary = self._prepare(path)
            temporary.write_bytes(content)
            temporary.replace(self._folder / path)

    def upload(self, path: str, file: Path) -> None:
        """See `LakeStore`."""
        with self._explain():
            temporary = self._prepare(path)
            shutil.copyfile(file, temporary)
            temporary.replace(self._folder / path)

    def find_size(self, path: str) -> int | None:
        """See `LakeStore`."""
        with self._explain():
            try:
                return (self._folder / path).stat().st_size
            except FileNotFoundError:
                return None

    def stream(self, path: str) -> Iterator[bytes] | None:
        """See `LakeStore`."""
        return None if self.find_size(path) is None else self._read_pieces(path)

    def _read_pieces(self, path: str) -> Iterator[bytes]:
        with self._explain(), (self._folder / path).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def swap(self, path: str, content: bytes, seen: str | None) -> bool:
        """See `LakeStore`."""
        self._make_root()
        lock = self._folder / _LOCKS / f"{path.replace('/', '-')}.lock"
        with self._explain(), hold_file(lock, "a writer of the lake", _SWAP_SECONDS):
            found = self.read(path)
            if (found and found[1]) != seen:
                return False
            self.write(path, content)
        return True

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """See `LakeStore`."""
        for folder, folders, names in os.walk(self._folder / prefix):
            folders[:] = [name for name in folders if name != _LOCKS]
            for file in (Path(folder, name) for name in names):
                with self._explain():
                    state = file.stat()
                path = file.relative_to(self._folder).as_posix()
                yield StoredFile(path, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))

    def delete(self, paths: Iterable[str]) -> None:
        """See `LakeStore`."""
        for path in paths:
            file = self._folder / path
            with self._explain():
                file.unlink(missing_ok=True)
            for folder in list(file.parents)[: len(Path(path).parts) - 1]:
                # one that has other files stays
                with suppress(OSError):
                    folder.rmdir()

    def locate(self, path: str) -> str:
        """See `LakeStore`."""
        return str(self._folder / path)

    def connect(self, db: duckdb.DuckDBPyConnection) -> None:
        """See `LakeStore`; DuckDB opens local files by itself."""

    def _make_root(self) -> None:
        with self._explain():
            if not self._folder.exists():
                self._folder.mkdir(parents=True, mode=0o700)

    def _prepare(self, path: str) -> Path:
        self._make_root()
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # engines leave out names that begin with a dot
        return file.with_name(f".{file.name}.{secrets.token_hex(4)}")

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """A folder can be that of another machine, or of a disk that is not mounted."""
        try:
            yield
        except OSError as error:
            raise LakeUnavailableError(
                f"the lake at {self.root} does not answer ({type(error).__name__}); check that the folder is there, "
                "may be written and has space, and run again"
            ) from None
