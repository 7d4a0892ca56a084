"""CSV members of a zip, as streams, also of zips inside it."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def explain_damage(name: str) -> Iterator[None]:
    """Turn the failures of reading a zip, which may come with any byte of it, into a sentence.

    Args:
        name: Of the zip.

    Raises:
        TerminalError: It, or a zip inside, is damaged, encrypted or packed in a way that Python does not know.
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise TerminalError(
            f"{name} cannot be read to its end ({type(error).__name__}); ask the provider for a whole one"
        ) from error


def _members(
    archive: zipfile.ZipFile, prefix: str, wanted: Callable[[str], bool], folder: Path
) -> Iterator[tuple[str, IO[bytes]]]:
    for name in sorted(archive.namelist()):
        if _is_junk(name) or not wanted(prefix + name):
            continue
        if name.lower().endswith(".csv"):
            with archive.open(name) as stream:
                yield prefix + name, stream
        elif name.lower().endswith(".zip"):
            # an inner zip needs random access, which a compressed stream only fakes, slowly
            with archive.open(name) as stream, tempfile.TemporaryFile(dir=folder) as copy:
                shutil.copyfileobj(stream, copy)
                with zipfile.ZipFile(copy) as inner:
                    yield from _members(inner, f"{prefix}{name}!", wanted, folder)


def _is_junk(name: str) -> bool:
    """What macOS adds to a zip."""
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1].startswith("._")
