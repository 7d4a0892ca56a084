"""The generator: the same spec gives the same bytes, and a current sample is left alone."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data_stack.errors import TerminalError, UsageError
from dlt_pipeline.sample import rides, spec
from dlt_pipeline.sample.spec import SampleSpec, generate, read_spec

SPEC = SampleSpec(first_month=date(2024, 5, 1), last_month=date(2024, 7, 1), rides_per_day=20)


def state(folder: Path) -> dict[str, tuple[str, float]]:
    """Digest and modification time of every file; the manifest's and marker's time is that of the writing."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            seconds = path.stat().st_mtime if path.suffix in (".zip", ".csv") else 0
            found[path.relative_to(folder).as_posix()] = (hashlib.sha256(path.read_bytes()).hexdigest(), seconds)
    return found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample of `SPEC`; tests change copies of it only."""
    return generate(tmp_path_factory.mktemp("generated") / "a", SPEC)


@pytest.fixture
def folder(generated: Path, tmp_path: Path) -> Path:
    """A copy of the sample, with its modification times."""
    return shutil.copytree(generated, tmp_path / "a")


def test_same_spec_same_bytes_and_times(generated: Path, tmp_path: Path) -> None:
    first = state(generated)
    rides.generate_started_rides.cache_clear()
    second = state(generate(tmp_path / "deep" / "b", SPEC))
    assert first == second
    assert sum(name.endswith(".zip") for name in first) == 3 + 6
    assert sum(name.endswith(".csv") for name in first) == 2 and "exports/.data-stack-sample" in first


def test_another_seed_gives_other_files(generated: Path, tmp_path: Path) -> None:
    first = state(generated)
    second = state(generate(tmp_path / "b", replace(SPEC, seed=7)))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name][0] == second[name][0]] == ["exports/.data-stack-sample"]


def test_a_months_file_does_not_depend_on_the_range(generated: Path, tmp_path: Path) -> None:
    whole = state(generated)
    alone = state(generate(tmp_path / "b", replace(SPEC, first_month=SPEC.last_month)))
    name = "tripdata/JC-202407-citibike-tripdata.csv.zip"
    assert whole[name] == alone[name]


def test_a_current_sample_is_not_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "_write_sample", lambda *_: pytest.fail("written again"))
    assert generate(folder, SPEC) == folder
    assert read_spec(folder) == SPEC


@pytest.mark.parametrize("change", [{"seed": 3}, {"rides_per_day": 21}, {"last_month": date(2024, 6, 1)}])
def test_another_spec_replaces_the_sample(folder: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    changed = replace(SPEC, **change)
    assert state(generate(folder, changed)) == state(generate(tmp_path / "b", changed))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_a_damaged_or_outdated_sample_is_written_again(folder: Path) -> None:
    before = state(folder)
    (folder / "tripdata" / "JC-202405-citibike-tripdata.csv.zip").unlink()
    assert state(generate(folder, SPEC)) == before
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "generator_version": 0}))
    with pytest.raises(TerminalError, match="contains no sample of this version"):
        read_spec(folder)
    assert state(generate(folder, SPEC)) == before


def test_a_failure_keeps_the_old_sample(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(folder)
    monkeypatch.setattr(spec, "_measure_files", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        generate(folder, replace(SPEC, seed=3))
    assert state(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(TerminalError, match="contains files that are not a sample"):
        generate(tmp_path, SPEC)
    assert (tmp_path / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed of the sample is -1"),
        ({"first_month": date(2024, 5, 2)}, "by their first day"),
        ({"first_month": date(2024, 8, 1)}, "cannot reach from 2024-08-01 to 2024-07-01"),
        ({"first_month": date(2021, 1, 1)}, "2021-02 or later"),
        ({"rides_per_day": 19}, "it must be 20 or more"),
    ],
)
def test_unusable_specs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(SPEC, **change)
