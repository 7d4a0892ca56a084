"""The CSV files of a zip as streams, including those of zips inside it."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from data_stack.errors import TerminalError

DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)
"""What `zipfile` raises for a zip that is damaged, encrypted or compressed in a way that Python does not support."""


def open_members(
    file: Path | IO[bytes], folder: Path, is_wanted: Callable[[str], bool], prefix: str = ""
) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the CSV files of a zip one after the other, sorted by name.

    Args:
        file: The zip.
        folder: Where the temporary copies of zips inside it are written, one at a time.
        is_wanted: Called with the name of each member; a member is skipped if it returns False.
        prefix: Added before each name: the names of the outer zips, each followed by `!`.

    Yields:
        The name and a stream, which is valid until the next one is requested.
    """
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            # macOS adds these when it makes a zip
            is_junk = "__MACOSX" in name.split("/") or name.rsplit("/", 1)[-1].startswith("._")
            if is_junk or not is_wanted(prefix + name):
                continue
            if name.lower().endswith(".csv"):
                with archive.open(name) as stream:
                    yield prefix + name, stream
            elif name.lower().endswith(".zip"):
                # an inner zip needs random access, which is slow on a compressed stream
                with archive.open(name) as stream, tempfile.TemporaryFile(dir=folder) as copy:
                    shutil.copyfileobj(stream, copy)
                    yield from open_members(copy, folder, is_wanted, f"{prefix}{name}!")


@contextmanager
def translate_damage(source_file: str) -> Iterator[None]:
    """Raise one clear error for a damaged zip; `zipfile` can fail at any byte that is read.

    Args:
        source_file: The zip, with its source, as the message names it.

    Raises:
        TerminalError: The zip, or one inside it, is damaged, encrypted or compressed in an unsupported way.
    """
    try:
        yield
    except DAMAGE_ERRORS as error:
        raise TerminalError(
            f"{source_file} cannot be read to its end ({type(error).__name__}); ask the provider for a complete file"
        ) from error
