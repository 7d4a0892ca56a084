"""Publishing: the tables of `core` and `marts` become the file that readers open, in one atomic step."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from data_stack.errors import TerminalError, UsageError
from data_stack.gate import recorded_origin, require_passed
from data_stack.locks import Locks
from data_stack.ops import TABLES as OPS_TABLES
from data_stack.ops import Ops, new_id, utc_now
from data_stack.registry import SOURCES
from data_stack.settings import Settings

PUBLISHED_SCHEMAS = ["core", "marts"]


def publish(settings: Settings, ops: Ops, locks: Locks, run_id: str) -> str:
    """Publish the build; readers see the old file until the new one is whole.

    The build file is copied and what is not published is dropped from the copy, so the cost is that of a file copy.

    Args:
        settings: Where the build, the warehouse and the snapshots are.
        ops: Where the publication is recorded; a copy of it goes into the published file.
        locks: The build is held against a transform in between.
        run_id: The run that publishes.

    Returns:
        The publication's identifier.

    Raises:
        GateFailedError: A load has not passed.
        TerminalError: There is no complete build.
    """
    raw_files = [source.lock for source in SOURCES]
    with locks.hold("build", "publish"), locks.hold(*raw_files, shared=True):
        require_passed(settings, ops)
        if not build_marker(settings).exists():
            raise TerminalError("there is no complete build to publish; run `data-stack transform` first")
        publication_id = new_id()
        with _new_file(settings.warehouse_file) as new:
            shutil.copyfile(settings.build_file, new)
            tables, sources = _strip(new, settings, ops, run_id, publication_id)
            _require_rows(ops, sources)
            _keep_snapshot(settings, new, publication_id)
        ops.record_publication(run_id, publication_id, tables, sources)
        _prune(settings, publication_id)
    return publication_id


def rollback(settings: Settings, ops: Ops, locks: Locks, publication_id: str | None, reason: str) -> str:
    """Return readers to an earlier publication and pin it until the next explicit `publish`.

    Args:
        settings: Where the snapshots are.
        ops: Where the pin is recorded.
        locks: Publishing is held.
        publication_id: Which one; None takes the one before the current.
        reason: Recorded with the pin.

    Returns:
        The identifier of the publication that readers see now.

    Raises:
        UsageError: There is no such snapshot.
    """
    with locks.hold("publish"):
        kept = snapshots(settings)
        target = publication_id or _one_before(kept, ops.current_publication())
        if target not in kept:
            raise UsageError(f"there is no snapshot {target}; kept are {', '.join(kept) or 'none'}")
        with _new_file(settings.warehouse_file) as new:
            _link_or_copy(_snapshot_file(settings, target), new)
        ops.set_current(target, pin_reason=reason)
    return target


def snapshots(settings: Settings) -> list[str]:
    """Publications that are kept, oldest first."""
    return sorted(path.stem for path in settings.snapshots_dir.glob("*.duckdb"))


def build_marker(settings: Settings) -> Path:
    """File that exists only while the build is the whole result of a transform that succeeded."""
    return settings.build_dir / "complete"


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
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


def _require_rows(ops: Ops, sources: dict[str, dict[str, Any]]) -> None:
    """Rows do not vanish from a publication unless somebody said so with `data-stack reset`."""
    if not any(found["rows"] for found in sources.values()):
        raise TerminalError("every source is empty, so there is nothing to publish; `data-stack run` loads them")
    current = ops.current_publication() or {"sources": {}}
    for name, before in current["sources"].items():
        if before["rows"] and not sources[name]["rows"] and not ops.was_reset(name):
            raise TerminalError(
                f"{name}: the publication has {before['rows']:,} rows, the new one would have none; load them again "
                f"with `data-stack ingest {name}`, or say that they shall go with `data-stack reset {name}`"
            )


def _strip(
    new: Path, settings: Settings, ops: Ops, run_id: str, publication_id: str
) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """Drop what is not published, add the run records, and count what is left."""
    with duckdb.connect(str(new)) as db:
        for (schema,) in db.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database() and not internal"
            " and schema_name != 'main' and not list_contains(?, schema_name)",
            [PUBLISHED_SCHEMAS],
        ).fetchall():
            db.execute(f'drop schema "{schema}" cascade')
        tables = _count_rows(db)
        _require_facts(tables)
        sources = _describe_sources(db, settings)
        _copy_ops(db, ops)
        _add_publication(db, (publication_id, run_id, utc_now(), json.dumps(tables), json.dumps(sources)))
        db.execute("checkpoint")
    return tables, sources


def _count_rows(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = db.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
        " and list_contains(?, schema_name) order by 1",
        [PUBLISHED_SCHEMAS],
    ).fetchall()
    return {name: _scalar(db, f"select count(*) from {name}") for (name,) in found}


def _require_facts(tables: dict[str, int]) -> None:
    for source in SOURCES:
        if source.fact not in tables:
            raise TerminalError(
                f"{source.name}: the build has no {source.fact}; add its model to dbt/models, or correct the fact in "
                "data_stack/registry.py"
            )


def _describe_sources(db: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, dict[str, Any]]:
    """By source: rows, the last day with data, and whether it is live or a sample."""
    described = {}
    for source in SOURCES:
        rows, through = db.execute(f"select count(*), max({source.day}) from {source.fact}").fetchone() or (0, None)
        described[source.name] = {
            "rows": rows,
            "data_through": through and through.isoformat(),
            "origin": recorded_origin(settings, source),
        }
    return described


def _copy_ops(db: duckdb.DuckDBPyConnection, ops: Ops) -> None:
    """Copy the run records as schema `ops`; the run that publishes is in them as running."""
    db.execute("create schema ops")
    for table in OPS_TABLES:
        columns = ops.columns(table)
        definitions = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        db.execute(f"create table ops.{table} ({definitions})")
        rows = [list(row.values()) for row in ops.query(f"select {', '.join(columns)} from {table}")]
        if rows:
            db.executemany(f"insert into ops.{table} values ({', '.join('?' * len(columns))})", rows)


def _add_publication(db: duckdb.DuckDBPyConnection, row: tuple[str, ...]) -> None:
    """Add the publication itself to the records inside it."""
    db.execute(f"insert into ops.publications values ({', '.join('?' * len(row))})", row)
    db.execute("create table ops.publication as select ? as publication_id", [row[0]])


def _scalar(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _keep_snapshot(settings: Settings, new: Path, publication_id: str) -> None:
    settings.snapshots_dir.mkdir(parents=True, exist_ok=True)
    _link_or_copy(new, _snapshot_file(settings, publication_id))


def _snapshot_file(settings: Settings, publication_id: str) -> Path:
    return settings.snapshots_dir / f"{publication_id}.duckdb"


def _link_or_copy(source: Path, target: Path) -> None:
    # neither name is ever written in place, so both may share the bytes
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _one_before(kept: list[str], current: dict[str, Any] | None) -> str:
    earlier = [name for name in kept if current and name < current["publication_id"]]
    if not earlier:
        raise UsageError(f"there is no snapshot before the current publication; kept are {', '.join(kept) or 'none'}")
    return earlier[-1]


def _prune(settings: Settings, current: str) -> None:
    for name in snapshots(settings)[: -settings.snapshots_keep]:
        if name != current:
            _snapshot_file(settings, name).unlink()
