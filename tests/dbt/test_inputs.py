"""A build whose inputs have not changed is left as it is; every kind of change is seen."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dbt_support import make_empty_raw
from parsed_project import skip_unit_tests

from data_stack.ops import LoadState, Ops
from data_stack.publish import build_marker
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner import inputs, parsed
from dbt_runner.build import DBT_DIR
from dbt_runner.inputs import hash_inputs, read_current_report
from orchestration import steps

Change = Callable[[Settings, Path], None]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a data folder with empty raw files, and a copy of the dbt project to change in `tmp_path`."""
    settings = Settings.load(data_dir=tmp_path / "data")
    make_empty_raw(settings)
    shutil.copytree(DBT_DIR, tmp_path / "dbt")
    monkeypatch.setattr(inputs, "DBT_DIR", tmp_path / "dbt")
    return settings


def touch_raw_file(settings: Settings, project: Path) -> None:
    for source in SOURCES[:1]:
        path = settings.raw_file(source.name)
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


def pass_load(settings: Settings, project: Path) -> None:
    for source in SOURCES[:1]:
        ops = Ops(settings)
        ops.record_unknown_load(source.name, "1.5")
        ops.decide_load(source.name, "1.5", LoadState.PASSED, "for the test")


def change_model(settings: Settings, project: Path) -> None:
    path = project / "models" / "core" / "dim_dates.sql"
    path.write_text(path.read_text() + "-- changed\n")


def change_metrics(settings: Settings, project: Path) -> None:
    path = project / "metrics" / "_calendar.yml"
    path.write_text(path.read_text() + "# changed\n")


def add_test(settings: Settings, project: Path) -> None:
    (project / "tests" / "assert_something.sql").write_text("select 1 where false\n")


def change_version(settings: Settings, project: Path) -> None:
    parsed._PACKAGES = ("dbt-core",)


CHANGES = [change_model, change_metrics, add_test, change_version, *([touch_raw_file, pass_load] if SOURCES else [])]


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_every_change_of_the_inputs_is_seen(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(parsed, "_PACKAGES", parsed._PACKAGES)
    before = hash_inputs(small, Ops(small))
    assert hash_inputs(small, Ops(small)) == before
    change(small, tmp_path / "dbt")
    assert hash_inputs(small, Ops(small)) != before


@pytest.mark.parametrize("text", ["", "{", '{"inputs": "other", "warnings": []}'])
def test_a_marker_of_another_build_is_not_current(tmp_path: Path, text: str) -> None:
    (tmp_path / "marker").write_text(text)
    assert read_current_report(tmp_path / "marker", "hash") is None
    assert read_current_report(tmp_path / "missing", "hash") is None


@pytest.mark.integration
@pytest.mark.usefixtures("without_data_tests")
def test_a_build_without_changes_is_left_as_it_is(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty_raw(settings)
    skip_unit_tests(settings)
    run = steps.Run.begin(settings, "first", "test")
    first = steps.transform(run)
    assert first.models and not first.is_current
    marker = build_marker(settings)
    stored = json.loads(marker.read_text())
    marker.write_text(json.dumps(stored | {"warnings": ["some_test"]}))
    built_at = settings.build_file.stat().st_mtime_ns

    second = steps.transform(steps.Run.begin(settings, "second", "test"))

    assert second.is_current and second.summary() == "nothing has changed since the last build"
    # what the build warned about holds as long as it does
    assert second.format_warnings() == [
        "dbt warns: some_test; the rows are in core, see the test of that name",
    ]
    assert settings.build_file.stat().st_mtime_ns == built_at
    assert Ops(settings).query("select count(*) as n from dbt_results where run_id = 'second'") == [{"n": 0}]
    monkeypatch.setattr("dbt_runner.build.transform", lambda *_: first)
    assert steps.transform(steps.Run.begin(settings, "third", "test"), full_refresh=True) == first
