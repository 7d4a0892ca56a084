"""The feed of stations on loopback: snapshots, reports that come again, damaged rows, stations that never reported."""

import json
from datetime import datetime
from typing import Any

import pytest
from ingestion import load, raw, read_staged_rows, stage_source
from providers import Serve
from raw_builder import pass_loads
from sources.station_status.provider import document, station

from data_stack.errors import TerminalError, TransientError
from data_stack.registry import get_source
from data_stack.settings import Settings
from dlt_pipeline.reader import open_reader
from dlt_pipeline.sample.provider import Fault
from dlt_pipeline.sample.source import Response
from dlt_pipeline.sample.station_status import StationStatusSample

NOON = "2024-01-10 12:00"
UPDATED = "2024-01-10 12:05"


def test_a_station_arrives_with_its_counts_flags_and_time(settings: Settings, serve: Serve) -> None:
    serve(StationStatusSample([document(UPDATED, station("a", NOON, num_docks_disabled=2, is_returning=0))]))
    with stage_source(settings, "station_status") as (stage, counts):
        assert (counts.read, counts.loaded) == (1, 1)
        assert stage.query("select * exclude (batch, stage_order) from reports") == [
            ("a", datetime(2024, 1, 10, 12), 3, 1, 0, 12, 2, True, True, False)
        ]
        ((batch,),) = stage.query("select batch from reports")
        assert str(batch).startswith("station_status 2024-01-10T12:05:00Z ")
        assert stage.query("select batch, last_updated_utc, stations, stations_silent from polls") == [
            (batch, datetime(2024, 1, 10, 12, 5), 1, 0)
        ]


def test_flags_of_gbfs_2_and_missing_optional_counts(settings: Settings, serve: Serve) -> None:
    second = station("a", NOON, is_installed=True, is_renting=False, is_returning=True)
    for name in ("num_ebikes_available", "num_docks_available"):
        del second[name]
    serve(StationStatusSample([document(UPDATED, second)]))
    with stage_source(settings, "station_status") as (stage, _):
        assert stage.query(
            "select is_installed, is_renting, is_returning, num_ebikes_available, num_docks_available from reports"
        ) == [(True, False, True, None, None)]


def test_polls_of_a_run_are_loaded_together_and_each_report_once(settings: Settings, serve: Serve) -> None:
    provider = serve()
    with stage_source(settings, "station_status") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected, counts.repeated) == (4, 3, 0, 1)
        assert stage.query("select station_id, last_reported_utc, num_bikes_available from reports order by all") == [
            ("a", datetime(2024, 1, 10, 12, 2), 3),
            ("a", datetime(2024, 1, 10, 12, 32), 0),
            ("b", datetime(2024, 1, 10, 12, 1), 3),
        ]
        assert stage.query("select count(*) from polls") == [(2,)]
    assert [request.path for request in provider.requests] == ["/station_status"] * 2


def test_the_same_document_twice_is_one_poll(settings: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(StationStatusSample([document(UPDATED, station("a", NOON))]))
    monkeypatch.setenv("STATION_STATUS_POLLS", "3")
    with stage_source(settings, "station_status") as (stage, counts):
        assert (counts.read, counts.loaded, counts.repeated) == (3, 1, 2)
        assert stage.query("select count(*) from polls") == [(1,)]


@pytest.mark.integration
def test_a_report_that_is_there_makes_no_new_load(settings: Settings, serve: Serve) -> None:
    feed = StationStatusSample([document(UPDATED, station("a", NOON), station("b", NOON))])
    serve(feed)
    load(settings, "station_status")
    # the document is new, its reports are not
    feed.documents = [document("2024-01-10 12:06", station("a", NOON), station("b", NOON))]
    again = load(settings, "station_status")
    assert (again.load_id, again.counts.repeated) == (None, 2)
    feed.documents = [document("2024-01-10 12:07", station("a", "2024-01-10 12:07", bikes=0), station("b", NOON))]
    later = load(settings, "station_status")
    assert (later.counts.loaded, later.counts.repeated) == (1, 1)
    pass_loads(settings, ["station_status"])
    assert raw(settings, "station_status", "select station_id, num_bikes_available from raw.reports order by all") == [
        ("a", 0),
        ("a", 3),
        ("b", 3),
    ]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (station("", NOON), "station_id is missing or not a text"),
        (station("a", NOON, station_id=None), "station_id is missing or not a text"),
        (station("a", NOON, last_reported=None), "last_reported is missing or not a number of seconds"),
        (station("a", NOON, last_reported="noon"), "last_reported is missing or not a number of seconds"),
        (station("a", NOON, last_reported=10**18), "last_reported is missing or not a number of seconds"),
        (station("a", NOON, num_bikes_available=None), "num_bikes_available is missing"),
        (station("a", NOON, num_bikes_available=1.5), "num_bikes_available is not a whole number"),
        (station("a", NOON, num_docks_available=True), "num_docks_available is not a whole number"),
        (station("a", NOON, is_renting=None), "is_renting is not true, false, 0 or 1"),
        (station("a", NOON, is_returning=2), "is_returning is not true, false, 0 or 1"),
        ("a", "the station is not an object"),
    ],
)
def test_a_damaged_station_is_rejected(settings: Settings, serve: Serve, damaged: Any, reason: str) -> None:
    serve(StationStatusSample([document(UPDATED, station("good", NOON), damaged)]))
    with stage_source(settings, "station_status") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (2, 1, 1)
        assert stage.query("select source_line, reason from rejects") == [(2, reason)]


def test_many_stations_that_never_reported_refuse_no_load(settings: Settings, serve: Serve) -> None:
    new = [station(f"n{n}", NOON, last_reported=n % 2 * 86_400) for n in range(40)]
    serve(StationStatusSample([document(UPDATED, station("a", NOON), *new)]))
    with stage_source(settings, "station_status") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (1, 1, 0)
        assert stage.query("select stations, stations_never_reported from polls") == [(41, 40)]


@pytest.mark.integration
def test_stations_that_never_reported_are_noted(settings: Settings, serve: Serve) -> None:
    serve(StationStatusSample([document(UPDATED, station("a", NOON), station("b", NOON, last_reported=0))]))
    assert load(settings, "station_status").note == "1 of the 2 stations have never reported and are left out"


def test_a_station_that_is_silent_for_hours_is_counted(settings: Settings, serve: Serve) -> None:
    edge, beyond = station("a", "2024-01-10 09:05"), station("b", "2024-01-10 09:04")
    serve(StationStatusSample([document(UPDATED, edge, beyond)]))
    with stage_source(settings, "station_status") as (stage, _):
        assert stage.query("select stations_silent from polls") == [(1,)]


FAULTS = {"busy": Fault.status(503), "a page": Fault.page(), "bad JSON": Fault.bad_json(), "truncated": Fault.cut(50)}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_unavailable_feed_is_named_with_the_attempts(settings: Settings, serve: Serve, fault: Fault) -> None:
    provider = serve(faults=lambda *_: fault)
    with pytest.raises(TransientError, match=rf"{provider.get_url('station_status')}.* \(3 attempts\)"):
        load(settings, "station_status")
    assert raw(settings, "station_status", "select 1") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"last_updated": 1, "data": {"stations": []}}, "has no stations"),
        ({"last_updated": 1, "data": {"bikes": []}}, "has no stations"),
        ([], "has no stations"),
        ({"last_updated": "2024-01-10T12:00:00Z", "data": {"stations": [{}]}}, "last_updated .* is not a number"),
    ],
)
def test_another_document_is_an_error(settings: Settings, serve: Serve, body: Any, message: str) -> None:
    serve(faults=lambda *_: Fault(Response(200, json.dumps(body).encode(), "application/json")))
    with pytest.raises(TerminalError, match=message):
        load(settings, "station_status")


def test_planning_asks_nothing(settings: Settings, serve: Serve) -> None:
    provider = serve()
    reader = open_reader(get_source("station_status"), settings)
    assert [str(one.what).split(" of ")[0] for one in reader.plan(None).to_fetch()] == ["poll 1", "poll 2"]
    assert provider.requests == []


def test_a_replay_finds_each_poll_without_the_feed(settings: Settings, serve: Serve) -> None:
    provider = serve()
    reader = open_reader(get_source("station_status"), settings)
    items = [planned.item for planned in reader.plan(None).to_fetch()]
    rows = read_staged_rows(reader, items)
    provider.close()
    replayed = open_reader(get_source("station_status"), settings, is_replay=True)
    replayed.landing.replay_only(reader.landing.used)
    assert read_staged_rows(replayed, items) == rows
    assert [len(rows[table]) for table in ("reports", "polls", "rejects")] == [3, 2, 0]
    assert replayed.provider() == reader.provider()


def test_the_unset_url_of_a_test_asks_nobody(settings: Settings) -> None:
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:9"):
        load(settings, "station_status")
