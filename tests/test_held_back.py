"""Each source on its own: what fails is held back, what is good is published, and what was published stays."""

import json
from datetime import date
from pathlib import Path

import pytest
from parsed_project import skip_unit_tests
from providers import Serve
from sources.bike.provider import month_of_rides, ride, write_zip
from sources.transactions.provider import bank_row, write_export
from warehouse_rows import count_rows, query_warehouse

from data_stack.ops import Ops
from data_stack.settings import Settings
from dlt_pipeline.sample.provider import Fault, SampleProvider
from orchestration.cli.app import execute

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("parsed_settings", "without_data_tests")]

KEYS = {month: f"JC-2024{month:02}-citibike-tripdata.csv.zip" for month in (1, 2)}
# whatever else is registered loads nothing, so the rows of these are all
RUN = ["run", "--sources", "bike,weather,transactions"]
JANUARY = [*RUN, "--from", "2024-01-01", "--to", "2024-01-31"]
BOTH_MONTHS = [*RUN, "--from", "2024-01-01", "--to", "2024-02-29"]
GOOD = month_of_rides(date(2024, 1, 1), 310)
# one ride in fifty ends before it starts
RED = [
    ride(number, "2024-01-10 12:00:00", "2024-01-10 09:00:00") if number % 50 == 0 else line
    for number, line in enumerate(GOOD, 1)
]


@pytest.fixture
def provider(
    settings: Settings, bucket: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SampleProvider:
    """January of the sources, published."""
    skip_unit_tests(settings)
    write_zip(bucket, KEYS[1], GOOD)
    write_export(tmp_path / "exports", "a.csv", [bank_row("2024-01-05", "Shop", "2.50")])
    monkeypatch.setenv("TRANSACTIONS_PATH", str(tmp_path / "exports"))
    started = serve()
    assert execute(JANUARY) == 0
    return started


def held_back(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    assert execute(["status", "--json"]) == 0
    return {held["source_name"]: held for held in json.loads(capsys.readouterr().out)["held_back"]}


@pytest.mark.slow
def test_one_red_one_unreachable_and_one_good_source(
    settings: Settings, bucket: Path, provider: SampleProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = count_rows(settings)
    write_zip(bucket, KEYS[1], RED)
    write_zip(bucket, KEYS[2], month_of_rides(date(2024, 2, 1), 290, first=1000))
    provider.faults = lambda path, _query, _attempt: Fault.status(500) if path.endswith("/archive") else None
    write_export(tmp_path / "exports", "b.csv", [bank_row("2024-02-05", "Shop", "3.50")])
    capsys.readouterr()
    assert execute(BOTH_MONTHS) == 1
    error = capsys.readouterr().err
    assert "held back: weather, bike; what was published of them before stays" in error
    share = "expect_column_values_to_be_between on end_before_start_share: 1 of 1 fail, for example 2024-01"
    assert f"bike: critical: {share} (observed: 0.0193548). " in error
    assert "bike: warning: expect_column_values_to_be_in_set on is_end_before_start: 6 of 600 fail" in error
    assert "answered 500 (3 attempts); try again later" in error
    assert count_rows(settings) == before | {"transactions": before["transactions"] + 1}
    assert query_warehouse(settings, "select count(*) from core.fct_trips where is_end_before_start") == [(0,)]

    held = held_back(capsys)
    assert set(held) == {"bike", "weather"}
    (load,) = Ops(settings).failed_loads("bike")
    assert held["bike"]["load_id"] == load
    assert f"{share} (observed: 0.0193548). " in held["bike"]["reason"]
    assert held["weather"]["load_id"] is None
    assert "answered 500" in held["weather"]["reason"]

    assert execute(BOTH_MONTHS) == 1, "nothing was mended"
    again = held_back(capsys)
    assert [again[name]["since_utc"] for name in again] == [held[name]["since_utc"] for name in held]
    assert len(Ops(settings).query("select 1 from loads where source = 'bike'")) == 2, "nothing loaded twice"

    write_zip(bucket, KEYS[1], GOOD[:-1])
    provider.faults = lambda *_: None
    assert execute(BOTH_MONTHS) == 0
    assert held_back(capsys) == {}
    assert count_rows(settings) == before | {"bike": 309 + 290, "weather": 61 * 24, "transactions": 2}
    # the corrected month has replaced the red rows of the second load, and its other month is good
    states = query_warehouse(settings, "select state from ops.loads where source = 'bike' order by loaded_at_utc")
    assert states == [("passed",), ("passed",), ("passed",)]


@pytest.mark.slow
def test_a_correction_that_the_provider_takes_back_is_forgotten(
    settings: Settings, bucket: Path, provider: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    write_zip(bucket, KEYS[1], RED)
    assert execute(JANUARY) == 1
    write_zip(bucket, KEYS[1], GOOD)
    assert execute(JANUARY) == 0
    assert held_back(capsys) == {}
    assert query_warehouse(settings, "select count(*), count(*) filter (is_end_before_start) from core.fct_trips") == [
        (310, 0)
    ]


@pytest.mark.slow
def test_weather_has_days_of_its_own_while_the_bike_provider_is_unavailable(
    settings: Settings, provider: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.faults = lambda path, _query, _attempt: Fault.status(500) if path.startswith("/bike") else None
    assert execute(RUN) == 1
    assert "held back: bike;" in capsys.readouterr().err
    assert query_warehouse(settings, "select max(date_local) >= current_date - 32 from core.fct_weather_hourly") == [
        (True,)
    ]
