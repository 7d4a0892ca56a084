"""A raw file rebuilt from the landing alone: equal row by row, or left as it was."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shapes
from ingestion import load
from providers import Serve
from raw_builder import pass_loads
from shapes import AccountsTable
from sources.bike.provider import month_of_rides, write_zip
from sources.transactions.provider import bank_row, write_export
from sources.weather.provider import FixedWeather

from data_quality.runner import validate
from data_stack.errors import TerminalError
from data_stack.locks import Locks
from data_stack.ops import LoadState, Ops
from data_stack.progress import ignore_progress
from data_stack.registry import get_source
from data_stack.settings import Settings
from dlt_pipeline.downloads import copy_downloads
from dlt_pipeline.landing import Landing
from dlt_pipeline.load import reset
from dlt_pipeline.replay import ReplayReport, _choose_loads, replay
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.weather import WeatherSample

pytestmark = pytest.mark.integration

KEY = "JC-202401-citibike-tripdata.csv.zip"


def replay_source(settings: Settings, source_name: str) -> ReplayReport:
    ops, locks = Ops(settings), Locks(settings, "test")
    return replay(get_source(source_name), settings, ops, "replay-run", ignore_progress, locks)


def all_rows(settings: Settings, source_name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every raw table, without dlt's own columns."""
    with duckdb.connect(str(settings.raw_file(source_name)), read_only=True) as db:
        tables = db.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        return {
            name: db.execute(f"select * exclude (_dlt_load_id) from raw.{name} order by all").fetchall()
            for (name,) in sorted(tables)
            if not name.startswith("_dlt")
        }


def test_bike_is_rebuilt_without_its_provider(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, [*month_of_rides(date(2024, 1, 1), 300), "broken"])
    write_zip(bucket, KEY.replace("01-", "02-"), month_of_rides(date(2024, 2, 1), 50, first=1000))
    provider = serve()
    load(settings, "bike", "2024-01-01", "2024-02-29")
    pass_loads(settings, ["bike"])
    write_zip(bucket, KEY, [*month_of_rides(date(2024, 1, 1), 290), "broken too"])
    load(settings, "bike", "2024-01-01", "2024-02-29")
    pass_loads(settings, ["bike"])
    before = all_rows(settings, "bike")
    assert (len(before["trips"]), len(before["rejects"])) == (340, 1)
    stop(provider)
    report = replay_source(settings, "bike")
    assert all_rows(settings, "bike") == before
    assert len(report.loads) == 2
    states = Ops(settings).query("select load_id, state from loads")
    assert {row["load_id"] for row in states if row["state"] == "pending"} == set(report.loads.values())


def stop(provider: SampleProvider) -> None:
    provider.faults = lambda *_: (_ for _ in ()).throw(AssertionError("the provider was asked"))


def test_weather_is_rebuilt_with_its_corrections(settings: Settings, serve: Serve) -> None:
    weather = FixedWeather({("rain", "2024-01-31T12:00"): None, ("temperature_2m", "2024-02-01T05:00"): 7})
    provider = serve(WeatherSample(weather))
    load(settings, "weather")
    pass_loads(settings, ["weather"])
    weather.override.clear()
    load(settings, "weather", "2024-01-01", "2024-02-29")
    pass_loads(settings, ["weather"])
    before = all_rows(settings, "weather")
    stop(provider)
    replay_source(settings, "weather")
    assert all_rows(settings, "weather") == before


def test_transactions_are_rebuilt_without_the_exports(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = write_export(tmp_path / "exports", "a.csv", [bank_row("2024-01-05", "Shop", "2.50")])
    monkeypatch.setenv("TRANSACTIONS_PATH", str(export.parent))
    report = load(settings, "transactions")
    Ops(settings).decide_load("transactions", str(report.load_id), LoadState.ACCEPTED, "as agreed", "me")
    before = all_rows(settings, "transactions")
    export.unlink()
    replayed = replay_source(settings, "transactions")
    assert all_rows(settings, "transactions") == before
    (accepted,) = Ops(settings).accepted_loads("transactions")
    assert accepted["load_id"] == replayed.loads[str(report.load_id)]
    assert accepted["reason"] == f"as agreed (accepted as load {report.load_id})"


def test_a_dlt_resource_is_rebuilt_from_the_rows_that_it_gave(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.register(monkeypatch, "accounts")
    table = AccountsTable(tmp_path)
    for account, balance in ((1, "10.00"), (2, "much"), (3, "30.00")):
        table.put(account, balance)
    load(settings, "accounts")
    table.put(1, "11.00", is_deleted=True)
    load(settings, "accounts")
    source = get_source("accounts")
    assert all(report.passed for report in validate(settings, Ops(settings), "run", source))
    before = all_rows(settings, "accounts")
    table.path.unlink()
    replay_source(settings, "accounts")
    assert all_rows(settings, "accounts") == before


def test_a_new_machine_rebuilds_a_source_from_the_lake(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.register(monkeypatch, "accounts")
    lake = {"lake_url": str(tmp_path / "lake"), "lake_downloads": True}
    settings = settings.model_copy(update=lake)
    AccountsTable(tmp_path).put(1, "10.00")
    loaded = load(settings, "accounts").load_id
    before = all_rows(settings, "accounts")
    assert copy_downloads(settings, Ops(settings), "accounts") == 1
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    other.lake_url = str(tmp_path / "nothing")
    with pytest.raises(TerminalError, match="no load that could be replayed"):
        replay_source(other, "accounts")
    other.lake_url = settings.lake_url
    assert list(replay_source(other, "accounts").loads) == [loaded]
    assert all_rows(other, "accounts") == before
    # what is reset can come back as well
    reset(get_source("accounts"), settings, Ops(settings), Locks(settings, "test"))
    assert copy_downloads(settings, Ops(settings), "accounts") == 0
    landing = Landing(settings, "accounts", is_replay=True)
    (chosen,) = _choose_loads(landing, get_source("accounts"), settings, Ops(settings))
    assert (chosen.load_id, landing.missing(chosen.sha256)) == (loaded, [])


def test_a_lost_raw_file_is_rebuilt(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(date(2024, 1, 1), 120))
    provider = serve()
    load(settings, "bike")
    before = all_rows(settings, "bike")
    settings.raw_file("bike").unlink()
    stop(provider)
    replay_source(settings, "bike")
    assert all_rows(settings, "bike") == before


def test_bytes_that_are_gone_stop_the_replay_before_it_changes_anything(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, KEY, month_of_rides(date(2024, 1, 1), 120))
    serve()
    report = load(settings, "bike")
    before = all_rows(settings, "bike")
    for path in (settings.landing_dir("bike") / "objects").glob("*/*"):
        path.unlink()
    with pytest.raises(TerminalError, match=f"the bytes of load {report.load_id} are not in the landing"):
        replay_source(settings, "bike")
    assert all_rows(settings, "bike") == before
    assert [row["state"] for row in Ops(settings).query("select state from loads")] == ["pending"]


def test_a_source_without_a_landing_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(TerminalError, match=r"no load that could be replayed; `data-stack ingest weather` loads"):
        replay_source(settings, "weather")


@pytest.mark.slow
def test_a_killed_replay_leaves_the_raw_file_as_it_was(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, KEY, month_of_rides(date(2024, 1, 1), 120))
    serve()
    load(settings, "bike")
    before = all_rows(settings, "bike")
    code = (
        "import os, signal, dlt.load.load as module\n"
        "module.Load.run = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from test_replay import replay_source\nfrom data_stack.settings import Settings\n"
        "replay_source(Settings.load(), 'bike')"
    )
    folders = os.pathsep.join(str(folder) for folder in Path(__file__).parents[:2])
    killed = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": folders}, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert load(settings, "bike").load_id is None
    assert all_rows(settings, "bike") == before


def test_rows_of_a_killed_read_are_not_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.register(monkeypatch, "accounts")
    AccountsTable(tmp_path).put(1, "10.00")
    left = settings.stage_dir("accounts") / "rows.jsonl"
    left.parent.mkdir(parents=True)
    left.write_bytes(b'[{"id": 9, "balance": null, "updated_at": null, "is_deleted": false}]\n')
    load(settings, "accounts")
    before = all_rows(settings, "accounts")
    replay_source(settings, "accounts")
    assert all_rows(settings, "accounts") == before
    assert len(before["accounts"]) == 1
