"""Publishing: the tables of `core` and `marts` become the file that readers open, in one atomic step.

A kill at any instruction leaves a state that the next call completes: the file is replaced first, and what follows from
it - its snapshot, its record, the end of a pin - is done by `_record_published_file`, which every call begins with. A
rollback records its pin first, so that it is completed and never lost.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError, UsageError
from data_stack.lake.built import PUBLISHED_AS, read_build_manifests
from data_stack.loads import find_origin
from data_stack.locks import Locks
from data_stack.metrics.flow import compile_totals
from data_stack.metrics.run_records import complete_manifest
from data_stack.ops import TABLES as OPS_TABLES
from data_stack.ops import Ops, new_id, utc_now
from data_stack.publications import Pin, Publication, find_pin, find_publication, list_snapshots
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from data_stack.tables import copy_descriptions

PUBLISHED_SCHEMAS = ["core", "marts"]


def publish(settings: Settings, ops: Ops, locks: Locks, run_id: str) -> str:
    """Publish the build; readers see the earlier file until the new one is complete.

    The build file is copied and what is not published is dropped from the copy, so the cost is that of a file copy.

    Args:
        settings: Where the build, the warehouse and the snapshots are.
        ops: Where the publication is recorded; a copy of the records goes into the published file.
        locks: The build is held against a transform in between.
        run_id: The run that publishes.

    Returns:
        The publication's identifier.

    Raises:
        TerminalError: There is no complete build.
    """
    raw_files = [source.lock for source in SOURCES]
    with locks.hold("build", "publish"), locks.hold(*raw_files, shared=True):
        if not build_marker(settings).exists():
            raise TerminalError("there is no complete build to publish; run `data-stack transform` first")
        current = _record_published_file(settings, ops)
        publication_id = new_id()
        with _replacing(settings.warehouse_file) as new:
            shutil.copyfile(settings.build_file, new)
            described = _prepare_file(new, settings, ops, run_id, publication_id)
            _require_rows(ops, described, current)
        _record_published_file(settings, ops)
        for name in list_snapshots(settings, ops)[: -settings.snapshots_keep]:
            if name != publication_id:
                _snapshot_file(settings, name).unlink()
    return publication_id


def rollback(settings: Settings, ops: Ops, locks: Locks, publication_id: str | None, reason: str) -> str:
    """Return readers to an earlier publication and pin it until the next explicit `publish`.

    Args:
        settings: Where the snapshots are.
        ops: Where the pin is recorded.
        locks: Publishing is held.
        publication_id: Which one; None takes the one before the one that readers see.
        reason: Recorded with the pin.

    Returns:
        The identifier of the publication that readers see now.

    Raises:
        UsageError: There is no such snapshot.
    """
    with locks.hold("publish"):
        current = _record_published_file(settings, ops)
        kept = list_snapshots(settings, ops)
        target = publication_id or _find_one_before(kept, ops, current)
        if target not in kept:
            raise UsageError(f"there is no snapshot {target}; available are {', '.join(kept) or 'none'}")
        ops.record_pin(target, current.publication_id if current else None, reason)
        _show_snapshot(settings, target)
    return target


def complete_rollback(settings: Settings, ops: Ops, locks: Locks) -> Pin | None:
    """The rollback that is in force, completed if a kill came between.

    Args:
        settings: Where the snapshots are.
        ops: Where the pin is recorded.
        locks: Publishing is held.

    Raises:
        TerminalError: The snapshot that was asked for is gone.
    """
    with locks.hold("publish"):
        pin = find_pin(ops, _record_published_file(settings, ops))
        if pin and not pin.is_complete:
            if not _snapshot_file(settings, pin.publication_id).exists():
                raise TerminalError(
                    f"the rollback to {pin.publication_id} was interrupted and its snapshot is gone; roll back to "
                    "another one with `data-stack rollback`, or end the pin with `data-stack publish`"
                )
            _show_snapshot(settings, pin.publication_id)
    return pin


def build_marker(settings: Settings) -> Path:
    """A file that exists only while the build is the complete result of a transform that succeeded."""
    return settings.build_dir / "complete"


def semantic_manifest_file(settings: Settings) -> Path:
    """The definitions of metrics that belong to the build, as dbt writes them."""
    return settings.build_dir / "semantic_manifest.json"


def _record_published_file(settings: Settings, ops: Ops) -> Publication | None:
    """Keep the published file as a snapshot and record it, unless that is done already; returns what it is."""
    publication = find_publication(settings.warehouse_file)
    if publication is None:
        return None
    snapshot = _snapshot_file(settings, publication.publication_id)
    if not snapshot.exists():
        with _replacing(snapshot) as new:
            _link_or_copy(settings.warehouse_file, new)
    if publication.publication_id not in ops.publication_ids():
        ops.record_publication(publication.row)
    return publication


def _show_snapshot(settings: Settings, publication_id: str) -> None:
    with _replacing(settings.warehouse_file) as new:
        _link_or_copy(_snapshot_file(settings, publication_id), new)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A new file that replaces `target` when the block ends well, and is removed when it does not."""
    new = target.with_name(f".{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.unlink(missing_ok=True)
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _require_rows(ops: Ops, described: dict[str, dict[str, Any]], current: Publication | None) -> None:
    """Rows do not vanish from a publication unless somebody asked for it with `data-stack reset`."""
    if described and not any(source["rows"] for source in described.values()):
        raise TerminalError("every source is empty, so there is nothing to publish; `data-stack run` loads them")
    for before in current.sources if current else ():
        name = before.source.name
        if before.rows and not described[name]["rows"] and not ops.was_reset(name):
            raise TerminalError(
                f"{name}: the publication has {before.rows:,} rows, the new one would have none; load them again "
                f"with `data-stack ingest {name}`, or confirm the removal with `data-stack reset {name}`"
            )


def _prepare_file(
    new: Path, settings: Settings, ops: Ops, run_id: str, publication_id: str
) -> dict[str, dict[str, Any]]:
    """Drop what is not published and add the run records; returns rows, last day and origin by source."""
    with connect_duckdb(new) as db:
        personal = _take_personal_columns(db)
        left = _find_left_tables(db)
        for (schema,) in db.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database() and not internal"
            " and schema_name != 'main' and not list_contains(?, schema_name)",
            [PUBLISHED_SCHEMAS],
        ).fetchall():
            db.execute(f'drop schema "{schema}" cascade')
        tables = _count_rows(db)
        described = _describe_sources(db, settings, tables, left)
        _copy_ops(db, ops)
        db.execute(
            "create table ops.personal_columns (table_name varchar, column_name varchar, data_type varchar)",
        )
        if personal:
            db.executemany("insert into ops.personal_columns values (?, ?, ?)", personal)
        copy_descriptions(db, settings)
        row = [publication_id, run_id, utc_now(), json.dumps(tables), json.dumps(described)]
        db.execute(
            "insert into ops.publications (publication_id, run_id, published_at_utc, tables, sources)"
            " values (?, ?, ?, ?, ?)",
            row,
        )
        db.execute("create table ops.publication as select ? as publication_id", [publication_id])
        _write_semantic_manifest(db, settings)
        db.execute("checkpoint")
    return described


def _write_semantic_manifest(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Publish the definitions of metrics and the SQL of their totals, so that a rollback returns to them too."""
    file = semantic_manifest_file(settings)
    manifest, manifest_hash = complete_manifest(file.read_text() if file.exists() else "")
    db.execute(
        "create table ops.semantic_manifest as select ? as manifest_hash, ? as manifest", [manifest_hash, manifest]
    )
    db.execute("create table ops.metric_totals (shape varchar, metric varchar, sql varchar)")
    # in one statement: one per row takes as long as all the rest
    columns = [list(column) for column in zip(*compile_totals(manifest, manifest_hash), strict=True)]
    db.execute("insert into ops.metric_totals select unnest(?), unnest(?), unnest(?)", columns)


def _take_personal_columns(db: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Drop the personal columns that the models withhold; returns those that are published."""
    if not db.execute(
        "select 1 from duckdb_tables() where schema_name = 'gate' and table_name = 'personal_columns'"
    ).fetchall():
        raise TerminalError(
            "the build does not say which columns are personal, as it was made by an earlier version; run "
            "`data-stack transform` first"
        )
    marked = db.execute(
        "select marked.table_name, marked.column_name, columns.data_type, marked.is_published"
        " from gate.personal_columns marked join duckdb_columns() columns"
        " on columns.schema_name || '.' || columns.table_name = marked.table_name"
        " and columns.column_name = marked.column_name and columns.database_name = current_database() order by all"
    ).fetchall()
    for table, column, _, is_published in marked:
        if not is_published:
            db.execute(f'alter table {table} drop column "{column}"')
    return [(table, column, data_type) for table, column, data_type, is_published in marked if is_published]


def _find_left_tables(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str | None]]:
    """The facts that are too large for the file and stay on the engine that built them: rows and last day by name."""
    if not db.execute(
        "select 1 from duckdb_tables() where schema_name = 'gate' and table_name = 'left_tables'"
    ).fetchall():
        return {}
    found = db.execute("select table_name, rows, cast(data_through as varchar) from gate.left_tables").fetchall()
    return {name: (rows, through) for name, rows, through in found}


def _count_rows(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = db.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
        " and list_contains(?, schema_name) order by 1",
        [PUBLISHED_SCHEMAS],
    ).fetchall()
    return {name: (db.execute(f"select count(*) from {name}").fetchone() or (0,))[0] for (name,) in found}


def _describe_sources(
    db: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: dict[str, int],
    left: dict[str, tuple[int, str | None]],
) -> dict[str, dict[str, Any]]:
    """By source: rows, the last day with data, whether it is live or a sample, and its manifest in the lake, if any."""
    described: dict[str, dict[str, Any]] = {}
    manifests = read_build_manifests(settings)
    for source in SOURCES:
        if source.fact in tables:
            rows = tables[source.fact]
            query = f"select cast(max({source.day}) as varchar) from {source.fact}"
            (through,) = db.execute(query).fetchone() or (None,)
        elif source.fact in left:
            rows, through = left[source.fact]
        else:
            raise TerminalError(
                f"{source.name}: the build has no {source.fact}; add its model to dbt/models, or correct the fact in "
                f"data_stack/sources/{source.name}.py"
            )
        described[source.name] = {
            "rows": rows,
            "data_through": through,
            "origin": find_origin(settings, source),
        }
        if source.name in manifests:
            described[source.name][PUBLISHED_AS] = manifests[source.name]
    return described


def _copy_ops(db: duckdb.DuckDBPyConnection, ops: Ops) -> None:
    """Copy the run records as schema `ops`; the publishing run itself still appears as running."""
    db.execute("create schema ops")
    for table in OPS_TABLES:
        columns = ops.columns(table)
        definitions = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        db.execute(f"create table ops.{table} ({definitions})")
        rows = ops.query(f"select {', '.join(columns)} from {table} order by rowid")
        # in one statement, because DuckDB inserts only some thousand rows per second one by one
        texts = json.dumps([dict.fromkeys(columns, "varchar")])
        db.execute(
            f"insert into ops.{table} select record.* from (select unnest(from_json(?, ?)) as record)",
            [json.dumps(rows), texts],
        )


def _snapshot_file(settings: Settings, publication_id: str) -> Path:
    return settings.snapshots_dir / f"{publication_id}.duckdb"


def _link_or_copy(source_file: Path, target: Path) -> None:
    # neither name is ever written in place, so both may share the bytes
    try:
        os.link(source_file, target)
    except OSError:
        shutil.copyfile(source_file, target)


def _find_one_before(kept: list[str], ops: Ops, current: Publication | None) -> str:
    """The latest snapshot that was published before the one that readers see."""
    order = ops.publication_ids()
    position = order.index(current.publication_id) if current else len(order)
    earlier = [name for name in kept if name in order[:position]]
    if not earlier:
        raise UsageError(
            f"there is no snapshot before the current publication; available are {', '.join(kept) or 'none'}"
        )
    return earlier[-1]
