"""The lake as its readers and its writer open it: manifests by source, and the files that they name.

Below the root: `<source>/<table>/<load_id>/<version>/part-00000.parquet`, and for each source
`<source>/_manifests/<manifest_id>.json` with `current.json` beside them, which names the current one. Everything but
`current.json` is written once and never changed, so whoever has read a manifest can go on reading its files.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from data_stack.lake.manifest import Manifest, parse_manifest
from data_stack.lake.stores import FolderStore, LakeStore
from data_stack.settings import Settings

MANIFESTS = "_manifests"


@dataclass(frozen=True)
class Current:
    """What the lake says now of a source.

    Attributes:
        manifest: The current manifest.
        tag: Tag of `current.json` when it was read, which a swap needs.
    """

    manifest: Manifest
    tag: str


class Lake:
    """One lake; `open_lake` makes it from the settings.

    Args:
        store: Where it is.
    """

    def __init__(self, store: LakeStore) -> None:
        self.store = store

    @property
    def root(self) -> str:
        """The folder or URL, for messages."""
        return self.store.root

    def read_current(self, source_name: str) -> Current | None:
        """The current manifest of a source; None if nothing of it was ever written.

        Raises:
            TerminalError: It is damaged, or the lake refuses access.
            TransientError: The lake does not answer.
        """
        path = current_file(source_name)
        found = self.store.read(path)
        if found is None:
            return None
        try:
            manifest_id = str(json.loads(found[0])["manifest_id"])
        except (ValueError, KeyError, TypeError):
            raise TerminalError(
                f"{self.store.locate(path)} is damaged: it must name a manifest, as "
                '{"manifest_id": "..."}; write the identifier of the latest one in the folder beside it'
            ) from None
        return Current(self.read_manifest(source_name, manifest_id), found[1])

    def read_manifest(self, source_name: str, manifest_id: str) -> Manifest:
        """A manifest, for example that of an earlier publication.

        Args:
            source_name: The source.
            manifest_id: Its identifier.

        Raises:
            TerminalError: It is gone or damaged.
        """
        found = self.find_manifest(source_name, manifest_id)
        if found is None:
            raise TerminalError(
                f"the manifest {self.store.locate(manifest_file(source_name, manifest_id))} is missing from the lake; "
                f"remove {self.store.locate(current_file(source_name))} if it is the current one, and "
                "`data-stack lake sync` writes the present state"
            )
        return found

    def find_manifest(self, source_name: str, manifest_id: str) -> Manifest | None:
        """A manifest; None if it is gone, as `data-stack lake vacuum` removes those that nobody needs.

        Args:
            source_name: The source.
            manifest_id: Its identifier.

        Raises:
            TerminalError: It is damaged.
        """
        path = manifest_file(source_name, manifest_id)
        found = self.store.read(path)
        return parse_manifest(found[0], self.store.locate(path)) if found else None

    def replace_current(self, manifest: Manifest, seen: Current | None) -> bool:
        """Write a manifest and make it the current one, unless somebody replaced the one that was read.

        Args:
            manifest: The new one; all files that it names are there.
            seen: What was read before.

        Returns:
            Whether it is the current one now.
        """
        name = manifest.source_name
        self.store.write(manifest_file(name, manifest.manifest_id), manifest.model_dump_json(indent=1).encode())
        pointer = json.dumps({"manifest_id": manifest.manifest_id}).encode()
        return self.store.swap(current_file(name), pointer, seen.tag if seen else None)

    def list_sources(self) -> list[str]:
        """Names of the sources that have a current manifest."""
        ending = f"/{MANIFESTS}/current.json"
        return sorted(file.path.removesuffix(ending) for file in self.store.list() if file.path.endswith(ending))


def current_file(source_name: str) -> str:
    """The file that names the current manifest of a source."""
    return f"{source_name}/{MANIFESTS}/current.json"


def manifest_file(source_name: str, manifest_id: str) -> str:
    """The file of a manifest."""
    return f"{source_name}/{MANIFESTS}/{manifest_id}.json"


def open_lake(settings: Settings) -> Lake | None:
    """The lake of `LAKE_URL`; None where none is set.

    Raises:
        TerminalError: It is in a bucket, and the package that reads buckets is not installed.
    """
    if settings.lake_url is None:
        return None
    if settings.lake_url.startswith("s3://"):
        from data_stack.lake.s3 import BucketStore

        return Lake(BucketStore(settings.lake_url, settings))
    return Lake(FolderStore(Path(settings.lake_url)))


def read_manifest(settings: Settings, source_name: str) -> Manifest | None:
    """The current manifest of a source; None where there is no lake, or nothing of the source in it.

    Args:
        settings: Which lake.
        source_name: The source.
    """
    lake = open_lake(settings)
    current = lake.read_current(source_name) if lake else None
    return current.manifest if current else None


def files_of(lake: Lake, manifest: Manifest, table: str) -> list[str]:
    """Paths or URLs of the current files of a table; together they have exactly the rows that staging may read.

    Args:
        lake: The lake of the manifest.
        manifest: Of the source.
        table: A raw table; one that the manifest does not name has no files.
    """
    found = manifest.tables.get(table)
    return [lake.store.locate(file.path) for file in found.files] if found else []


def select_table(lake: Lake, manifest: Manifest, table: str) -> str:
    """A select for DuckDB of the current rows of a table, with the columns of the raw table.

    Args:
        lake: The lake of the manifest.
        manifest: Of the source.
        table: A raw table that the manifest names.
    """
    files = files_of(lake, manifest, table)
    if not files:
        columns = manifest.tables[table].columns
        empty = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in columns.items())
        return f"select {empty} where false"
    listed = ", ".join(f"'{file}'" for file in files)
    return f"select * from read_parquet([{listed}], hive_partitioning = false)"


def connect_lake(settings: Settings, lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection of DuckDB that can read the files of a lake.

    Args:
        settings: Memory that it may use.
        lake: The lake.
    """
    db = connect_duckdb(memory_limit=settings.duckdb_memory_limit)
    lake.store.connect(db)
    return db
