"""The parts of `make bench` that decide whether its figures can be trusted."""

import zipfile
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from benchmarks.speed.document import Target, compute_ratio, write_document
from benchmarks.speed.equality import TABLES, find_differences
from benchmarks.speed.processes import measure_command
from benchmarks.speed.rides import choose_months, count_csv_bytes, write_provider
from dlt_pipeline.bike_csv import read_member

RIDES = 3_001


def write_tables(path: Path, minutes: str = "1.5", rows: int = 2) -> Path:
    """A file with every compared table: an id and a measure."""
    with duckdb.connect(str(path)) as db:
        db.execute("create schema core; create schema marts")
        for table in TABLES:
            db.execute(f"create table {table} as select range as id, {minutes}::double as minutes from range({rows})")
    return path


def test_tables_with_equal_values_do_not_differ(tmp_path: Path) -> None:
    assert find_differences(write_tables(tmp_path / "a.duckdb"), write_tables(tmp_path / "b.duckdb")) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("update core.dim_stations set minutes = 1.6 where id = 1", "2 of the floor; other values in minutes"),
        ("update core.dim_stations set minutes = null where id = 1", "2 of the floor; other values in minutes"),
        (
            "delete from core.dim_stations where id = 1",
            "1 of the floor; other values in id, minutes",
        ),
        ("alter table core.dim_stations drop minutes", "columns id BIGINT, minutes DOUBLE, the floor id BIGINT"),
        ("alter table core.dim_stations alter id type integer", "the floor id INTEGER, minutes DOUBLE"),
    ],
)
def test_a_floor_that_computes_something_else_is_found(tmp_path: Path, change: str, difference: str) -> None:
    floor = write_tables(tmp_path / "floor.duckdb")
    with duckdb.connect(str(floor)) as db:
        db.execute(change)
    (text,) = find_differences(write_tables(tmp_path / "platform.duckdb"), floor)
    assert text.startswith("core.dim_stations: ")
    assert difference in text


def test_values_of_two_rows_that_are_swapped_are_found(tmp_path: Path) -> None:
    """Every column has the same values, but not beside the same ones."""
    paths = [tmp_path / "platform.duckdb", tmp_path / "floor.duckdb"]
    for path, order in zip(paths, ("id", "1 - id"), strict=True):
        write_tables(path)
        with duckdb.connect(str(path)) as db:
            db.execute(f"update core.dim_stations set minutes = {order}")
    (text,) = find_differences(*paths)
    assert text.endswith("other values in the combination of columns")


def test_generated_rides_are_read_without_a_reject_and_each_once(tmp_path: Path) -> None:
    provider = write_provider(tmp_path / "a", RIDES, 2)
    trips, members = [], []
    for path in sorted(provider.folder.iterdir()):
        with zipfile.ZipFile(path) as archive:
            members += [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
            for name in (name for name in archive.namelist() if not name.startswith("__MACOSX/")):
                batches = [*read_member(archive.open(name), path.name, name)]
                assert [batch.rejects for batch in batches] == [[]]
                trips += [batch.trips for batch in batches]
    assert members == [f"2025{month}-citibike-tripdata_{part}.csv" for month in ("01", "02") for part in (1, 2)]
    with duckdb.connect() as db:
        db.register("trips", pa.concat_tables(trips))
        found = db.execute(
            "select count(*), count(distinct ride_id), min(ended_at_local)::date, max(ended_at_local)::date,"
            " count(distinct start_station_id) > 200, count(*) filter (where end_station_id is null) between 3 and 30,"
            " bool_and(started_at_local < ended_at_local) from trips"
        ).fetchone()
    assert found == (RIDES, RIDES, date(2025, 1, 1), date(2025, 2, 28), True, True, True)


def test_the_same_rides_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_provider(tmp_path / name, 500, 1) for name in ("a", "b"))
    assert [path.read_bytes() for path in one.folder.iterdir()] == [
        path.read_bytes() for path in other.folder.iterdir()
    ]
    assert one.csv_bytes == sum(map(count_csv_bytes, one.folder.iterdir())) > 500 * 150


@pytest.mark.parametrize(("rides", "months"), [(1_000, 1), (1_000_000, 1), (4_000_000, 2), (40_000_000, 12)])
def test_rides_are_divided_among_the_months_that_a_provider_would_need(rides: int, months: int) -> None:
    assert choose_months(rides) == months


def test_a_command_is_measured_with_the_processes_that_it_starts(tmp_path: Path) -> None:
    code = "import os; b = bytearray(120_000_000); open('written', 'wb').write(b[:30_000_000]); sum(range(9_000_000))"
    usage = measure_command(["sh", "-c", f'python3 -c "{code}"; true'], folder=tmp_path)
    assert usage.cpu_seconds > 0.1
    assert 120_000_000 < usage.peak_bytes < 250_000_000
    assert 30_000_000 <= usage.written_bytes < 31_000_000


def test_a_failed_command_is_an_error_with_what_it_printed() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)`sh -c .*` ended with exit code 3:.*no such thing"):
        measure_command(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_a_missed_target_says_by_how_much() -> None:
    assert [Target("", 2.9, 3).result, Target("", 3.3, 3).result] == ["reached", "missed by 10%"]
    assert [Target("", 51, 50, is_minimum=True).result, Target("", 40, 50, is_minimum=True).result] == [
        "reached",
        "missed by 25%",
    ]


def test_the_document_has_every_part_that_was_measured(tmp_path: Path) -> None:
    usage = {"wall_seconds": 2.0, "cpu_seconds": 3.0, "peak_bytes": 10**9, "written_bytes": 10**9}
    on = {"day": "2026-01-31", "machine": "2 cores", "load": "0.1", "versions": "DuckDB"}
    steps = {"gate": 0.5, "ingest": 1.0}
    size = {
        "rides": 1_000_000,
        "months": 1,
        "rounds": 3,
        "csv_bytes": 10**8,
        "disk_bytes": 5 * 10**8,
        "on": on,
        "start_up": usage,
        "floor": usage,
        "platform": {**usage, "wall_seconds": 10.0},
        "nothing_new": usage,
        "status": usage,
        "steps": steps,
        "start_up_steps": {"ingest": 0.3, "gate": 0.2},
    }
    tool = {"name": "dlt", "version": "1", "rows": 100, "start_up": {**usage, "cpu_seconds": 1.0}, "load": usage}
    others = {"rows": 100, "platform": tool, "tools": [tool, {"name": "Sling", "version": "2", "error": "no binary"}]}
    added = {"rides": 12, "rounds": 1, "alone": usage, "added": usage, "on": on}
    file = tmp_path / "document.md"
    write_document(
        {"sizes": {"1000000": size}, "others": {**others, "on": on}, "added_month": added, "help": {**usage, "on": on}},
        file,
    )
    text = file.read_text()
    assert compute_ratio(size) == 4.0
    assert "| 1,000,000 rides, time against the floor | 4.00 | 3 | missed by 33% |" in text
    assert "| 1,000,000 rides, disk against the CSVs | 5.00 | 4 | missed by 25% |" in text
    assert "| rides | ingest | gate | rest |" in text
    assert "| 1,000,000 | 1.0 (10%) | 0.5 (5%) | 8.5 (85%) |" in text
    assert "| first run of 1,000 | 0.3 (15%) | 0.2 (10%) | 1.5 (75%) |" in text
    assert '- Sling (2) does not run here: "no binary"' in text
    assert "  bar [4.0]" in text
