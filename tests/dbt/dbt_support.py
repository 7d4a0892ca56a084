"""Shared by the tests of the dbt project: raw bike files that change, builds, and comparisons of builds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
from raw_builder import append, build_raw, pass_loads

from data_stack.ops import Ops
from data_stack.registry import source_names
from data_stack.settings import Settings
from dbt_runner.build import (
    TransformReport,
    _invoke_dbt,
    _prepare_build_file,
    transform,
)

_LOADS = count(1)


@dataclass(frozen=True)
class Ride:
    """A ride as in a file; times are New York local times."""

    ride_id: str
    start: str
    end: str
    from_station: str | None = "A"
    to_station: str | None = "B"
    rider: str | None = "member"

    def row(self, batch: str) -> dict[str, Any]:
        return {
            "ride_id": self.ride_id,
            "rideable_type": "classic_bike",
            "started_at_local": datetime.fromisoformat(self.start),
            "ended_at_local": datetime.fromisoformat(self.end),
            "start_station_id": self.from_station,
            "start_station_name": self.from_station and f"Station {self.from_station}",
            "start_latitude": 40.72,
            "start_longitude": -74.05,
            "end_station_id": self.to_station,
            "end_station_name": self.to_station and f"Station {self.to_station}",
            "end_latitude": 40.73,
            "end_longitude": -74.04,
            "member_casual": self.rider,
            "batch": batch,
            "source_line": 2,
        }


def put_bike_file(settings: Settings, name: str, month: str, rides: Iterable[Ride], cut_by_end: bool = False) -> None:
    """Load a file or a corrected version of it, which passes; as in ingestion, it replaces the rows of its month."""
    file = {
        "batch": name,
        "object_key": name,
        "month": date.fromisoformat(month),
        "is_cut_by_end": cut_by_end,
        "loaded_at_utc": datetime(2025, 1, 1),
    }
    trips = [ride.row(name) | {"month": file["month"]} for ride in rides]
    tables = {"trips": trips, "files": [file]}
    build_raw(settings, "bike", tables, load_id=f"{next(_LOADS)}.5")
    pass_loads(settings)


def drop_bike_file(settings: Settings, name: str) -> None:
    """Remove a file from the raw tables."""
    with duckdb.connect(str(build_raw(settings, "bike"))) as db:
        for table in ("trips", "files"):
            db.execute(f"delete from raw.{table} where batch = ?", [name])


def reset_bike(settings: Settings) -> None:
    """Start again with an empty raw file, as `data-stack reset bike` does."""
    settings.raw_file("bike").unlink(missing_ok=True)
    Ops(settings.ops_dir).supersede_loads("bike")
    build_raw(settings, "bike")


def put_rows(settings: Settings, source: str, table: str, rows: list[dict[str, Any]], load_id: str) -> None:
    """Append rows to a raw table without a load in the run records."""
    with duckdb.connect(str(settings.raw_file(source))) as db:
        append(db, source, table, rows, load_id)


def make_empty_raw(settings: Settings) -> None:
    """Create the raw file of every source with empty tables, as ingestion without data does."""
    for name in source_names():
        build_raw(settings, name)


def build(settings: Settings, full_refresh: bool = False) -> TransformReport:
    """Run the transform step."""
    return transform(settings, Ops(settings.ops_dir), "test", full_refresh)


def run_models(settings: Settings, *arguments: str) -> None:
    """Build models without their tests, from the loads that have passed so far."""
    _prepare_build_file(settings, Ops(settings.ops_dir))
    kinds = ["--resource-type", "model", "--resource-type", "seed"]
    assert _invoke_dbt(settings, ["build", "--no-write-json", *kinds, *arguments]).success


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Read from the build file."""
    with duckdb.connect(str(settings.build_file), read_only=True) as db:
        return db.execute(sql).fetchall()


def built_tables(build_file: Path) -> list[str]:
    """Names of the tables of core and marts, with their schema."""
    with duckdb.connect(str(build_file), read_only=True) as db:
        found = db.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where schema_name in ('core', 'marts') order by 1"
        )
        return [name for (name,) in found.fetchall()]


def differences(one: Path, other: Path, without: str = "") -> dict[str, int]:
    """Number of rows that are in only one of two builds, by table; empty if the builds are equal.

    Args:
        one: A build file.
        other: Another one.
        without: A column to leave out, for example `load_id`, which differs between two raw files.
    """
    assert built_tables(one) == built_tables(other) != []
    with duckdb.connect() as db:
        db.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        counts = {table: _different_rows(db, table, without) for table in built_tables(one)}
    return {table: different for table, different in counts.items() if different}


def _different_rows(db: duckdb.DuckDBPyConnection, table: str, without: str) -> int:
    columns = f"columns(c -> c != '{without}')"
    found = db.execute(
        f"select count(*) from ((select {columns} from one.{table} except all select {columns} from other.{table})"
        f" union all (select {columns} from other.{table} except all select {columns} from one.{table}))"
    ).fetchone()
    assert found
    return int(found[0])
