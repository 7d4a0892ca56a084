"""The generator: the same spec gives the same bytes, and a current sample is left alone."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data_stack import registry
from data_stack.errors import TerminalError, UsageError
from data_stack.registry import source_names
from dlt_pipeline.sample import spec
from dlt_pipeline.sample.spec import MANIFEST, SampleSpec, generate, read_spec

SPEC = SampleSpec(first_month=date(2024, 5, 1), last_month=date(2024, 7, 1), rides_per_day=20)


def state(folder: Path) -> dict[str, tuple[str, float]]:
    """Digest and modification time of every file; that of the manifest and of hidden files is not compared."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            is_timeless = path.name == MANIFEST or path.name.startswith(".")
            seconds = 0 if is_timeless else path.stat().st_mtime
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


def forget_generated() -> None:
    """Clear what the modules of the sample keep in memory."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dlt_pipeline.sample."):
            for kept in vars(module).values():
                getattr(kept, "cache_clear", lambda: None)()


def test_same_spec_same_bytes_and_times(generated: Path, tmp_path: Path) -> None:
    first = state(generated)
    forget_generated()
    assert state(generate(tmp_path / "deep" / "b", SPEC)) == first


def test_a_source_writes_into_its_own_folder(generated: Path) -> None:
    names = {path.name for path in generated.iterdir()}
    assert names - {MANIFEST} <= set(source_names())
    manifest = json.loads((generated / MANIFEST).read_text())
    assert manifest["sources"] == source_names()
    assert manifest["files"].keys() == state(generated).keys() - {MANIFEST}


def test_another_seed_gives_other_files_of_every_source(generated: Path, tmp_path: Path) -> None:
    first = state(generated)
    second = state(generate(tmp_path / "b", replace(SPEC, seed=7)))
    assert first.keys() == second.keys()
    changed = {name.split("/")[0] for name in first if first[name][0] != second[name][0]}
    assert changed == {name.split("/")[0] for name in first}


@pytest.mark.skipif(not source_names(), reason="there is no source that could be removed")
def test_a_sample_of_other_sources_is_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", registry.SOURCES[1:])
    with pytest.raises(TerminalError, match="contains no sample of this version and of the sources"):
        read_spec(folder)
    generate(folder, SPEC)
    assert read_spec(folder) == SPEC
    assert {path.name for path in folder.iterdir()} <= {MANIFEST, *source_names()}


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
    for name in sorted(before.keys() - {MANIFEST})[:1]:
        (folder / name).unlink()
    assert state(generate(folder, SPEC)) == before
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "generator_version": 0}))
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
