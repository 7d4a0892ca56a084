"""`fct_trips` after any sequence of loads, corrections and removals equals a full refresh."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dbt_support import build, differences, make_empty_raw, rows, run_models
from parsed_project import ParsedProject
from sources.bike.corrections import (
    CHANGED,
    JULY,
    JUNE,
    MODELS,
    MOVED,
    MOVED_LATER,
    correct_july,
    move_ride_to_may,
    put_july,
    put_june,
    put_may,
)
from sources.bike.golden import Ride, drop_bike_file, put_bike_file, reset_bike

from data_stack.settings import Settings


def winners(settings: Settings) -> dict[str, str]:
    return dict(rows(settings, "select ride_id, source_file from core.fct_trips"))


def copy_of_build(settings: Settings, tmp_path: Path) -> Path:
    return Path(shutil.copy(settings.build_file, tmp_path / "incremental.duckdb"))


def load_late_and_corrected_files(data: Settings) -> None:
    """Build after late and corrected files; the last two corrections are left for the caller to build."""
    put_july(data)
    build_trips(data)
    assert winners(data) == {**{ride.ride_id: "july.zip" for ride in JULY}, "moved": "july.zip"}

    # an earlier month arrives late: the ride that is in both files is still taken from July's
    put_june(data)
    build_trips(data)
    assert winners(data)["moved"] == "july.zip"

    # July is corrected: one ride changed, one added, one removed, and the moved one is gone, so it is taken from June's
    correct_july(data)
    build_trips(data)
    assert winners(data) == {
        **{ride.ride_id: "june.zip" for ride in [*JUNE, MOVED]},
        **{ride.ride_id: "july.zip" for ride in [CHANGED, *JULY[2:]]},
        "new": "july.zip",
    }
    assert rows(data, "select duration_seconds::int from core.fct_trips where ride_id = 'ride_7_0'") == [(5400,)]

    move_ride_to_may(data)


@pytest.mark.integration
def test_trips_after_late_and_corrected_files_equal_a_full_refresh(data: Settings, tmp_path: Path) -> None:
    load_late_and_corrected_files(data)
    build_trips(data)
    assert winners(data)["ride_6_0"] == "may.zip"
    incremental = copy_of_build(data, tmp_path)
    build_trips(data, "--full-refresh")
    assert differences(data.build_file, incremental) == {}


@pytest.mark.slow
def test_every_table_after_late_and_corrected_files_equals_a_full_refresh(data: Settings, tmp_path: Path) -> None:
    run_models(data)
    load_late_and_corrected_files(data)
    assert not build(data).full_refresh
    last_of_june = "select trips, is_complete from marts.mart_demand_daily where date_local = '2024-06-30'"
    assert rows(data, last_of_june) == [(1, True)]
    incremental = copy_of_build(data, tmp_path)
    run_models(data, "--full-refresh")
    assert differences(data.build_file, incremental) == {}


@pytest.mark.integration
def test_nothing_changes_without_a_new_load(data: Settings, tmp_path: Path) -> None:
    put_june(data)
    put_july(data)
    build_trips(data)
    before = copy_of_build(data, tmp_path)
    build_trips(data)
    assert differences(data.build_file, before) == {}


@pytest.mark.integration
def test_reset_and_load_of_one_month_drops_the_others(data: Settings) -> None:
    put_june(data)
    put_july(data)
    build_trips(data)
    reset_bike(data)
    put_june(data)
    build_trips(data)
    assert set(winners(data).values()) == {"june.zip"}
    drop_bike_file(data, "june.zip")
    build_trips(data)
    assert winners(data) == {}


@pytest.mark.integration
def test_file_without_taken_rides_is_decided_again_when_the_other_is_removed(data: Settings) -> None:
    put_july(data)
    put_bike_file(data, "copy_of_july.zip", "2024-06-01", [*JULY, MOVED_LATER])
    build_trips(data)
    assert set(winners(data).values()) == {"july.zip"}
    build_trips(data)
    assert set(winners(data).values()) == {"july.zip"}
    drop_bike_file(data, "july.zip")
    build_trips(data)
    assert winners(data) == {ride.ride_id: "copy_of_july.zip" for ride in [*JULY, MOVED_LATER]}


@pytest.mark.slow
def test_month_by_month_equals_all_at_once_and_out_of_order(project: ParsedProject, tmp_path: Path) -> None:
    puts = [put_may, put_june, put_july]
    at_once = build_in_steps(project, tmp_path / "at_once", [put_all])
    step_by_step = build_in_steps(project, tmp_path / "ordered", puts)
    out_of_order = build_in_steps(project, tmp_path / "unordered", [puts[2], puts[0], puts[1]])
    for other in (step_by_step, out_of_order):
        assert differences(at_once, other, without="load_id") == {}
    run_models(project.use(tmp_path / "unordered"), "--full-refresh")
    assert differences(at_once, out_of_order, without="load_id") == {}


def put_all(settings: Settings) -> None:
    for put in (put_may, put_june, put_july):
        put(settings)


def build_in_steps(project: ParsedProject, folder: Path, puts: list[Callable[[Settings], None]]) -> Path:
    """Build after each step; the build file by its own path, because the one behind the link changes."""
    settings = project.use(folder)
    make_empty_raw(settings)
    for put in puts:
        put(settings)
        run_models(settings)
    return Settings.load(data_dir=folder).build_file


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_random_files_give_the_expected_rides(data: Settings, tmp_path: Path, seed: int) -> None:
    """Files of three months, two names each, are added, renamed and removed; a Python rule gives the expected rides."""
    chance = random.Random(seed)
    present: dict[str, tuple[str, set[str]]] = {}
    build(data)
    for _ in range(12):
        name, month = chance.choice(
            [(f"{month}{half}.zip", f"2024-0{month}-01") for month in (5, 6, 7) for half in "ab"]
        )
        if name in present and chance.random() < 0.3:
            del present[name]
            drop_bike_file(data, name)
        else:
            ids = {f"r{number}" for number in range(8) if chance.random() < 0.5} or {"r0"}
            # as in ingestion, a file replaces the other one of its month
            present = {other: file for other, file in present.items() if file[0] != month} | {name: (month, ids)}
            put_bike_file(data, name, month, [Ride(i, f"{month} 08:00:00", f"{month} 08:30:00") for i in sorted(ids)])
        if chance.random() < 0.7:
            build_trips(data)
    build_trips(data)
    assert winners(data) == expected_winners(present)


def build_trips(settings: Settings, *arguments: str) -> None:
    run_models(settings, "--select", *MODELS, *arguments)


def expected_winners(files: dict[str, tuple[str, set[str]]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for _, name in sorted((month, name) for name, (month, _) in files.items()):
        found |= dict.fromkeys(files[name][1], name)
    return found
