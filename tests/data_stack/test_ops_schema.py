"""The run records of every landed version open, and keep what they recorded."""

import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from ingestion import load, raw
from providers import Serve
from sources.bike.provider import month_of_rides, write_zip

from data_stack.errors import TerminalError
from data_stack.loads import settle_loads
from data_stack.ops import LoadState, Ops
from data_stack.ops_schema import MIGRATIONS, VERSION
from data_stack.publications import find_pin, find_publication, list_snapshots
from data_stack.record_store import FILE
from data_stack.registry import get_source, source_names
from data_stack.settings import Settings
from orchestration.cli.app import execute

# each is the data folder of a sample of January 2024 that was published twice, then rolled back
FOLDERS = sorted((Path(__file__).parent / "folders").glob("*.tar.xz"))


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name.split(".")[0])
def earlier(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    settings.data_dir.mkdir(parents=True)
    shutil.unpack_archive(request.param, settings.data_dir)
    return settings


def version_of(settings: Settings) -> int:
    with closing(sqlite3.connect(settings.ops_dir / FILE)) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def test_a_data_folder_of_an_earlier_version_opens(earlier: Settings) -> None:
    assert version_of(earlier) < VERSION
    ops = Ops(earlier)
    assert version_of(earlier) == VERSION
    assert [run["command"] for run in ops.last_runs(5)] == ["rollback", "publish", "run"]
    assert {load["state"] for load in ops.query("select state from loads")} == {LoadState.PASSED}
    assert {"bike", "weather", "transactions"} <= set(ops.last_good_loads())
    first, second = ops.publication_ids()
    assert list_snapshots(earlier, ops) == [first, second]
    publication = find_publication(earlier.warehouse_file)
    assert publication is not None
    assert publication.publication_id == first
    # each folder has the same sample of these three
    rows = {"bike": 334, "weather": 768, "transactions": 97}
    assert {state.source.name: state.rows for state in publication.sources if state.source.name in rows} == {
        name: rows[name] for name in source_names() if name in rows
    }
    pin = find_pin(ops, publication)
    assert pin is not None
    assert (pin.publication_id, pin.reason, pin.is_complete) == (first, "before the update", True)


@pytest.mark.slow
def test_the_commands_work_on_a_data_folder_of_an_earlier_version(
    earlier: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    knows_personal_columns = version_of(earlier) > 0
    assert execute(["status"]) == 0
    assert "pinned: before the update" in capsys.readouterr().out
    for command in (["peek", "bike"], ["validate"], ["query", "select 1", "--show-personal"]):
        assert execute(command) == 0
    assert execute(["query", "select 1"]) == (0 if knows_personal_columns else 1)
    assert knows_personal_columns != ("`--show-personal` shows every column" in capsys.readouterr().err)
    # the pin is in force until somebody publishes
    assert execute(["transform"]) == 0
    assert execute(["publish"]) == 0
    assert execute(["query", "select count(*) as trips from core.fct_trips"]) == 0
    assert "334 │" in capsys.readouterr().out
    assert execute(["rollback"]) == 0
    publication = find_publication(earlier.warehouse_file)
    assert publication is not None
    assert publication.publication_id == Ops(earlier).publication_ids()[-2]


@pytest.mark.integration
def test_a_raw_file_of_an_earlier_version_takes_new_loads(earlier: Settings, bucket: Path, serve: Serve) -> None:
    batch = "source_file" if version_of(earlier) == 0 else "batch"
    before = raw(earlier, "bike", f"select ride_id, {batch}, started_at_local from raw.trips order by all")
    settle_loads(earlier, Ops(earlier), get_source("bike"))
    assert raw(earlier, "bike", "select ride_id, batch, started_at_local from raw.trips order by all") == before
    write_zip(bucket, "JC-202402-citibike-tripdata.csv.zip", month_of_rides(date(2024, 2, 1), 50, first=1000))
    serve()
    assert load(earlier, "bike", "2024-02-01", "2024-02-29").counts.loaded == 50
    assert raw(earlier, "bike", "select count(*) from raw.trips") == [(len(before) + 50,)]


def test_a_later_version_is_refused(settings: Settings) -> None:
    Ops(settings)
    with closing(sqlite3.connect(settings.ops_dir / FILE)) as db, db:
        db.execute(f"pragma user_version = {VERSION + 1}")
    with pytest.raises(TerminalError, match=f"have schema version {VERSION + 1}, .* needs {VERSION}; update"):
        Ops(settings)


def test_a_reader_that_cannot_write_asks_for_the_migration(earlier: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    version = version_of(earlier)
    with pytest.raises(TerminalError, match=f"version {version}, .* needs {VERSION}; run `data-stack status` where"):
        Ops(earlier)


def test_a_migration_that_fails_changes_nothing(earlier: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    version = version_of(earlier)
    with closing(sqlite3.connect(earlier.ops_dir / FILE)) as db:
        before = list(db.iterdump())
    broken = (*MIGRATIONS, ("alter table runs add column extra text", "insert into nowhere values (1)"))
    monkeypatch.setattr("data_stack.ops_schema.MIGRATIONS", broken)
    monkeypatch.setattr("data_stack.ops_schema.VERSION", len(broken))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        Ops(earlier)
    with closing(sqlite3.connect(earlier.ops_dir / FILE)) as db:
        assert list(db.iterdump()) == before
    assert version_of(earlier) == version
