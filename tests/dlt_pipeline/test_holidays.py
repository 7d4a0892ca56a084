"""The holidays source against its API on loopback: years, corrections, documents and entries that are refused."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from ingestion import load, raw, stage_source
from providers import Serve
from raw_builder import pass_loads
from sources.holidays.provider import FixedHolidays, entry

from data_stack.errors import TerminalError, TransientError
from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.progress import ignore_progress
from data_stack.registry import get_source
from data_stack.settings import Settings
from dlt_pipeline.replay import replay
from dlt_pipeline.sample.holidays import HolidaysSample
from dlt_pipeline.sample.provider import Fault, SampleProvider
from dlt_pipeline.sample.source import Response

INDEPENDENCE = entry("2024-07-04", "Independence Day")
COLUMBUS = entry("2024-10-14", "Columbus Day", ["US-AZ", "US-AL"])


def asked(provider: SampleProvider) -> list[str]:
    return [request.path.removeprefix("/holidays/api/v3/PublicHolidays/") for request in provider.requests]


def serve_year(serve: Serve, *entries: Any, year: int = 2024) -> FixedHolidays:
    api = FixedHolidays({year: list(entries)})
    serve(HolidaysSample(api))
    return api


def names(settings: Settings) -> Sequence[tuple[Any, ...]]:
    return raw(settings, "holidays", "select year, name from raw.holidays order by date, name")


def test_march_loads_the_whole_year_once_per_entry(settings: Settings, serve: Serve) -> None:
    provider = serve()
    with stage_source(settings, "holidays", "2024-03-01", "2024-03-31") as (stage, counts):
        assert counts.loaded == 14
        assert stage.query("select count(*), count(distinct holiday_id), min(date), max(date) from holidays") == [
            (14, 14, date(2024, 1, 1), date(2024, 12, 25))
        ]
        assert stage.query("select year, entries, length(sha256) from years") == [(2024, 14, 64)]
    assert asked(provider) == ["2024/US"]


def test_values_arrive_as_answered(settings: Settings, serve: Serve) -> None:
    serve_year(serve, COLUMBUS | {"localName": "Columbus", "fixed": True, "launchYear": 1968})
    with stage_source(settings, "holidays") as (stage, _):
        assert stage.query("select * exclude (holiday_id, batch, stage_order) from holidays") == [
            (2024, date(2024, 10, 14), "Columbus Day", "Columbus", "US", True, False, "US-AL,US-AZ", "Public", 1968)
        ]


def test_days_that_reach_into_january_load_both_years(settings: Settings, serve: Serve) -> None:
    provider = serve()
    with stage_source(settings, "holidays", "2023-12-15", "2024-01-02") as (stage, _):
        assert stage.query("select year from years order by 1") == [(2023,), (2024,)]
    assert asked(provider) == ["2023/US", "2024/US"]


def test_same_date_and_name_for_other_counties_are_two_holidays(settings: Settings, serve: Serve) -> None:
    public, optional = entry("2024-03-29", "Good Friday", ["US-CT"]), entry("2024-03-29", "Good Friday", ["US-TX"])
    serve_year(serve, public, optional | {"types": ["Optional"]}, public)
    with stage_source(settings, "holidays") as (stage, counts):
        assert (counts.read, counts.loaded, counts.repeated) == (3, 2, 1)
        assert stage.query("select counties, types from holidays order by 1") == [
            ("US-CT", "Public"),
            ("US-TX", "Optional"),
        ]


@pytest.mark.integration
def test_another_run_asks_again_and_changes_nothing(settings: Settings, serve: Serve) -> None:
    api = FixedHolidays({2024: [INDEPENDENCE, COLUMBUS]})
    provider = serve(HolidaysSample(api))
    load(settings, "holidays", "2024-03-01", "2024-03-31")
    # neither the order of the entries nor that of their members is a correction
    api.documents[2024] = [dict(reversed(COLUMBUS.items())), INDEPENDENCE]
    report = load(settings, "holidays", "2024-04-01", "2024-04-30")
    assert (report.load_id, report.skipped) == (None, 1)
    assert asked(provider) == ["2024/US"] * 2


@pytest.mark.integration
def test_a_corrected_year_replaces_all_its_rows(settings: Settings, serve: Serve) -> None:
    api = serve_year(serve, INDEPENDENCE, COLUMBUS)
    api.documents[2025] = [entry("2025-07-04", "Independence Day")]
    load(settings, "holidays", "2024-12-01", "2025-01-31")
    pass_loads(settings, ["holidays"])
    api.documents[2024] = [INDEPENDENCE, entry("2024-11-11", "Veterans Day")]
    load(settings, "holidays", "2024-12-01", "2025-01-31")
    pass_loads(settings, ["holidays"])
    assert names(settings) == [(2024, "Independence Day"), (2024, "Veterans Day"), (2025, "Independence Day")]
    assert raw(settings, "holidays", "select year, entries from raw.years order by 1") == [(2024, 2), (2025, 1)]


@pytest.mark.integration
def test_a_failed_version_that_is_no_longer_offered_is_deleted(settings: Settings, serve: Serve) -> None:
    api = serve_year(serve, INDEPENDENCE)
    load(settings, "holidays")
    pass_loads(settings, ["holidays"])
    api.documents[2024] = [COLUMBUS]
    failed = load(settings, "holidays")
    Ops(settings).decide_load("holidays", str(failed.load_id), "failed")
    assert load(settings, "holidays").load_id is None, "the same document is no new load"
    assert len(names(settings)) == 2
    api.documents[2024] = [INDEPENDENCE]
    assert load(settings, "holidays").load_id is None
    assert names(settings) == [(2024, "Independence Day")]


@pytest.mark.integration
def test_the_raw_file_is_rebuilt_without_the_provider(settings: Settings, serve: Serve) -> None:
    api = serve_year(serve, INDEPENDENCE, COLUMBUS | {"date": None})
    api.documents[2025] = [entry("2025-07-04", "Independence Day")]
    load(settings, "holidays", "2024-12-01", "2025-01-31")
    pass_loads(settings, ["holidays"])
    api.documents[2024] = [INDEPENDENCE, COLUMBUS]
    load(settings, "holidays", "2024-12-01", "2025-01-31")
    pass_loads(settings, ["holidays"])
    tables = {name: f"select * exclude (_dlt_load_id) from raw.{name} order by all" for name in ("holidays", "years")}
    before = {name: raw(settings, "holidays", sql) for name, sql in tables.items()}
    api.documents.clear()
    source, ops, locks = get_source("holidays"), Ops(settings), Locks(settings, "test")
    report = replay(source, settings, ops, "replay-run", ignore_progress, locks)
    assert len(report.loads) == 2
    assert {name: raw(settings, "holidays", sql) for name, sql in tables.items()} == before
    assert [len(before[name]) for name in tables] == [3, 2]


@pytest.mark.parametrize(("broken", "reason"), [
    (COLUMBUS | {"date": None}, "date is missing or not a day"),
    (COLUMBUS | {"date": "14 October"}, "date is missing or not a day"),
    (COLUMBUS | {"name": " "}, "name is missing or not a text"),
    (COLUMBUS | {"global": None}, "global is missing or neither true nor false"),
    (COLUMBUS | {"counties": "US-AL"}, "counties is not a list of texts"),
    (COLUMBUS | {"launchYear": "old"}, "launch_year has another type than the format says"),
    ("Columbus Day", "the entry is not an object"),
])  # fmt: skip
def test_an_entry_that_does_not_parse_is_rejected(settings: Settings, serve: Serve, broken: Any, reason: str) -> None:
    serve_year(serve, INDEPENDENCE, broken)
    with stage_source(settings, "holidays") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (2, 1, 1)
        assert stage.query("select source_line, reason from rejects") == [(2, reason)]


FAULTS = {
    "busy": Fault.status(429),
    "broken": Fault.status(500),
    "bad JSON": Fault.bad_json(),
    "a page": Fault.page(),
    "truncated": Fault.cut(300),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes_is_retried_and_one_that_stays_is_an_error(
    settings: Settings, serve: Serve, fault: Fault
) -> None:
    provider = serve(faults=lambda _path, _query, attempt: fault if attempt <= 3 else None)
    with pytest.raises(TransientError, match=r"/holidays/api/v3/PublicHolidays/2024/US.* \(3 attempts\)"):
        load(settings, "holidays")
    provider._attempts.clear()
    provider.faults = lambda _path, _query, attempt: fault if attempt <= 2 else None
    with stage_source(settings, "holidays") as (_, counts):
        assert counts.loaded == 14


@pytest.mark.parametrize(("body", "message"), [
    (b"[]", r"2024/US answered a document without any holiday; nothing was loaded"),
    (b'{"title": "Not Found"}', r"2024/US did not answer with a list of holidays"),
])  # fmt: skip
def test_a_document_without_a_holiday_is_an_error(settings: Settings, serve: Serve, body: bytes, message: str) -> None:
    serve(faults=lambda *_: Fault(Response(200, body, "application/json")))
    with pytest.raises(TerminalError, match=message):
        load(settings, "holidays")
    assert raw(settings, "holidays", "select 1") == []


@pytest.mark.integration
def test_another_country_is_refused(settings: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_year(serve, INDEPENDENCE)
    load(settings, "holidays")
    monkeypatch.setenv("HOLIDAYS_COUNTRY", "DE")
    with pytest.raises(TerminalError, match=r"contains sample data of US.*sample data of DE.*reset holidays"):
        load(settings, "holidays")
