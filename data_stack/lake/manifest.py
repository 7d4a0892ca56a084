"""What a manifest of the lake says: which files of a source are current, of which loads, with which columns."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from data_stack.errors import TerminalError

_SAFE_PATH = re.compile(r"[\w.=+-]+(/[\w.=+-]+)*")


def _check_path(path: str) -> str:
    """A manifest comes from storage that others write too, and its paths are opened."""
    if not _SAFE_PATH.fullmatch(path) or ".." in path.split("/"):
        raise ValueError("must be a path within the lake")
    return path


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class LakeFile(_Part):
    """A Parquet file with rows of one load; it is never changed.

    Attributes:
        path: Relative to the root of the lake. A file is alone in its folder.
        load_id: The load.
        batches: The batches that its rows belong to; empty for a table without the column `batch`.
        rows: Rows.
        size_bytes: Its size.
        sha256: Its checksum.
    """

    path: Annotated[str, AfterValidator(_check_path)]
    load_id: str
    batches: tuple[str, ...]
    rows: int
    size_bytes: int
    sha256: str


class LakeTable(_Part):
    """A raw table.

    Attributes:
        columns: Type of each column as DuckDB names it, in the order of the raw table; every file has exactly these.
        files: Its current files, by load in the order in which the loads finished; none for an empty table.
    """

    columns: dict[str, str]
    files: tuple[LakeFile, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)


class LakeLoad(_Part):
    """A load that passed its gate, or was accepted, and the batches of which it still has the current version."""

    load_id: str
    batches: tuple[str, ...]


class Manifest(_Part):
    """The state of a source in the lake; it is never changed, and the next one names it as its predecessor.

    Attributes:
        format: Version of this layout.
        source_name: The source.
        manifest_id: Its identifier.
        previous: Identifier of the manifest that it replaced; None for the first one.
        written_at_utc: When it was written.
        loads: The loads that passed, in the order in which they finished.
        tables: The raw tables by name.
    """

    format: Literal[1] = 1
    source_name: str
    manifest_id: str
    previous: str | None
    written_at_utc: str
    loads: tuple[LakeLoad, ...]
    tables: dict[str, LakeTable]

    @property
    def files(self) -> list[LakeFile]:
        """The current files of all tables."""
        return [file for table in self.tables.values() for file in table.files]

    def has_content_of(self, loads: tuple[LakeLoad, ...], tables: dict[str, LakeTable]) -> bool:
        """Whether it names these loads, tables and files.

        Args:
            loads: The loads in their order.
            tables: The tables by name.
        """
        return (self.loads, self.tables) == (loads, tables)


def parse_manifest(content: bytes, place: str) -> Manifest:
    """Read a manifest.

    Args:
        content: Its JSON.
        place: Where it was found, for the error.

    Raises:
        TerminalError: It is damaged, or written by a later version of the platform.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise TerminalError(
            f"{place} is not a manifest that this version reads ({where}: {error.errors()[0]['msg']}); update the "
            "platform if a later version wrote it, otherwise point current.json beside it at an earlier manifest"
        ) from None
