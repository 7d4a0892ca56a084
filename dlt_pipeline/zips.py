"""CSV members of a zip, as streams, also of zips inside it."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from data_stack.errors import TerminalError


def open_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the CSV members of a zip one after the other, sorted by name.

    Args:
        path: The zip; zips inside it are opened too, one at a time, from a temporary copy beside it.
        wanted: Told the member's name (after that of the inner zip, with a `!` between); False leaves it out.

    Yields:
        The name and a stream, which is valid until the next one is asked for.
    """
    with zipfile.ZipFile(path) as archive:
        yield from _members(archive, "", wanted, path.parent)


def _members(
    archive: zipfile.ZipFile, prefix: str, wanted: Callable[[str], bool], folder: Path
) -> Iterator[tuple[str, IO[bytes]]]:
    for name in sorted(archive.namelist()):
        if name.startswith("__MACOSX/") or not wanted(prefix + name):
            continue
        if name.lower().endswith(".csv"):
            with archive.open(name) as stream:
                yield prefix + name, stream
        elif name.lower().endswith(".zip"):
            # an inner zip needs random access, which a compressed stream only fakes, slowly
            with archive.open(name) as stream, tempfile.TemporaryFile(dir=folder) as copy:
                shutil.copyfileobj(stream, copy)
                with _open_inner(copy, prefix + name) as inner:
                    yield from _members(inner, f"{prefix}{name}!", wanted, folder)


def _open_inner(copy: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(copy)
    except zipfile.BadZipFile:
        raise TerminalError(f"{name} inside a yearly zip is not a zip file; ask the provider for a whole one") from None
