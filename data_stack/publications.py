"""Which publication readers see, and whether a rollback has pinned it.

The published file contains its own publication, so it is the truth whatever the run records say: they follow it.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from data_stack.errors import TerminalError
from data_stack.lake.built import PUBLISHED_AS
from data_stack.ops import LAST_GOOD_LOADS, Ops
from data_stack.registry import SOURCES, Source, get_source
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse

_PUBLICATION = "select publications.* from ops.publications join ops.publication using (publication_id)"


@dataclass(frozen=True)
class SourceState:
    """What a publication contains of a source.

    Attributes:
        source: The source.
        rows: Rows of its fact.
        data_through: The last day of its fact.
        loaded_at_utc: When its latest rows were loaded; None where that is not recorded.
        origin: `live` or `sample`; None where that is not recorded.
    """

    source: Source
    rows: int
    data_through: date | None
    loaded_at_utc: datetime | None
    origin: str | None = None


@dataclass(frozen=True)
class Publication:
    """What the published file says of itself.

    Attributes:
        publication_id: Its identifier.
        run_id: The run that published it.
        published_at_utc: When it was published.
        tables: Rows by table, `schema.table`.
        sources: The sources, in the registry's order.
        row: Its row of `ops.publications`, as the run records store it.
    """

    publication_id: str
    run_id: str
    published_at_utc: datetime
    tables: dict[str, int]
    sources: tuple[SourceState, ...]
    row: dict[str, Any]

    @property
    def left_tables(self) -> list[str]:
        """Facts of sources that are too large for the file; they stay on the engine that built them."""
        return [state.source.fact for state in self.sources if state.source.fact not in self.tables]

    def source_state(self, source_name: str) -> SourceState:
        """What it contains of a source; no rows of one that was registered after it was published."""
        for state in self.sources:
            if state.source.name == source_name:
                return state
        return SourceState(get_source(source_name), 0, None, None)


@dataclass(frozen=True)
class Pin:
    """A rollback that is in force: runs publish nothing.

    Attributes:
        publication_id: The publication that was asked for.
        pinned_at_utc: When.
        reason: Why.
        is_complete: Whether readers see it; False after a kill, until the next run or rollback completes it.
    """

    publication_id: str
    pinned_at_utc: datetime
    reason: str
    is_complete: bool


def find_publication(warehouse_file: Path) -> Publication | None:
    """The publication that readers see; None where nothing is published.

    Args:
        warehouse_file: `Settings.warehouse_file`.

    Raises:
        TerminalError: The file is no publication.
    """
    if not warehouse_file.exists():
        return None
    try:
        with open_warehouse(warehouse_file) as db:
            return read_publication(db)
    except duckdb.Error as error:
        raise TerminalError(
            f"{warehouse_file} is not a publication ({type(error).__name__}); remove it, and `data-stack publish` "
            "writes it again"
        ) from error


def read_publication(db: duckdb.DuckDBPyConnection) -> Publication:
    """The publication of an open warehouse.

    Args:
        db: A connection made by `connect_warehouse`.

    Raises:
        duckdb.Error: The file does not contain its publication.
    """
    cursor = db.execute(_PUBLICATION)
    names = [column[0] for column in cursor.description or []]
    found = cursor.fetchone()
    if found is None:
        raise duckdb.CatalogException("the file does not say which publication it is")
    row = dict(zip(names, found, strict=True))
    loaded_at = dict(db.execute(LAST_GOOD_LOADS.format(loads="ops.loads")).fetchall())
    described = json.loads(row["sources"])
    sources = tuple(
        _source_state(source, described[source.name], loaded_at.get(source.name))
        for source in SOURCES
        if source.name in described
    )
    published_at = row["published_at_utc"]
    return Publication(
        publication_id=row["publication_id"],
        run_id=row["run_id"],
        published_at_utc=published_at,
        tables=json.loads(row["tables"]),
        sources=sources,
        row=row | {"published_at_utc": published_at.isoformat(" ", "milliseconds")},
    )


def _source_state(source: Source, described: dict[str, Any], loaded_at: datetime | None) -> SourceState:
    through = described["data_through"]
    data_through = date.fromisoformat(through) if through else None
    return SourceState(source, described["rows"], data_through, loaded_at, described.get("origin"))


def find_pin(ops: Ops, publication: Publication | None) -> Pin | None:
    """The rollback that is in force.

    A pin is recorded before the file is replaced, and removed after it. So it is in force while readers see the
    publication that was asked for, or still the one that it replaces; a file that is neither was published later.

    Args:
        ops: The run records.
        publication: What readers see.
    """
    recorded = ops.recorded_pin()
    seen = publication.publication_id if publication else None
    if recorded is None or seen not in (recorded["publication_id"], recorded["replaced_publication_id"]):
        return None
    return Pin(
        publication_id=recorded["publication_id"],
        pinned_at_utc=datetime.fromisoformat(recorded["pinned_at_utc"]),
        reason=recorded["reason"],
        is_complete=seen == recorded["publication_id"],
    )


def find_published_manifests(settings: Settings) -> dict[str, set[str]]:
    """The manifests of the lake that belong to what readers see or can return to, by source name.

    Args:
        settings: Where the published file and the snapshots are, which say so themselves.

    Raises:
        TerminalError: One of the files is no publication.
    """
    manifests: dict[str, set[str]] = {}
    for file in (settings.warehouse_file, *sorted(settings.snapshots_dir.glob("*.duckdb"))):
        publication = find_publication(file)
        for name, described in json.loads(publication.row["sources"]).items() if publication else ():
            if PUBLISHED_AS in described:
                manifests.setdefault(name, set()).add(described[PUBLISHED_AS])
    return manifests


def list_snapshots(settings: Settings, ops: Ops) -> list[str]:
    """Publications that are kept, in the order in which they were published; the clock does not decide.

    Args:
        settings: Where the snapshots are.
        ops: The order.
    """
    kept = {path.stem for path in settings.snapshots_dir.glob("*.duckdb")}
    order = {publication_id: position for position, publication_id in enumerate(ops.publication_ids())}
    return sorted(kept, key=lambda name: (order.get(name, -1), name))
