"""The sample's stations: a day of snapshots with empty, full, silent and unused stations, one per request."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from data_stack.errors import TerminalError
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec
from dlt_pipeline.sample.station_status import SNAPSHOTS, STATIONS, StationStatusSample, generate_documents

SPEC = SampleSpec(first_month=date(2024, 1, 1), last_month=date(2024, 3, 1))
DOCUMENTS = generate_documents(SPEC)


def reports_of(number: int) -> list[dict[str, Any]]:
    """What a station says in each snapshot."""
    return [document["data"]["stations"][number] for document in DOCUMENTS]


def hours(number: int, field: str, value: int) -> set[int]:
    """Local hours in which a field of a station has a value."""
    zone = ZoneInfo("America/New_York")
    return {
        datetime.fromtimestamp(report["last_reported"], zone).hour
        for report in reports_of(number)
        if report[field] == value
    }


def test_the_day_is_in_the_last_month_and_the_same_every_time() -> None:
    times = [datetime.fromtimestamp(document["last_updated"], UTC) for document in DOCUMENTS]
    # the clocks change on the 10th, so local midnight is 04:00 UTC
    assert (times[0], times[-1]) == (datetime(2024, 3, 11, 4, 15, tzinfo=UTC), datetime(2024, 3, 12, 3, 45, tzinfo=UTC))
    assert len(DOCUMENTS) == SNAPSHOTS == 48
    assert generate_documents(SPEC) == DOCUMENTS
    assert generate_documents(SampleSpec(7, SPEC.first_month, SPEC.last_month)) != DOCUMENTS


def test_homes_are_empty_in_the_afternoon_and_offices_are_full() -> None:
    for number in range(4):
        assert {15, 16} <= hours(number, "num_bikes_available", 0)
        assert {3, 4} <= hours(number, "num_docks_available", 0)
    for number in range(4, 8):
        assert {15, 16} <= hours(number, "num_docks_available", 0)
        assert not {15, 16} & hours(number, "num_bikes_available", 0)


def test_docks_add_up_and_no_report_is_after_its_document() -> None:
    for station in STATIONS[:10]:
        for document, report in zip(DOCUMENTS, reports_of(station.number), strict=True):
            parts = ("num_bikes_available", "num_bikes_disabled", "num_docks_available", "num_docks_disabled")
            assert sum(report[part] for part in parts) == station.docks
            assert 0 <= report["num_ebikes_available"] <= report["num_bikes_available"]
            assert report["last_reported"] <= document["last_updated"]


def test_a_station_that_has_not_reported_again_repeats_its_report() -> None:
    pairs = [pair for number in range(9) for pair in pairwise(reports_of(number))]
    repeated = Counter(before == after for before, after in pairs)
    assert 0.03 < repeated[True] / repeated.total() < 0.2
    changed = {json.dumps(report) for report in reports_of(9)[24:32]}
    assert len(changed) == 1, "it is offline for four hours"


def test_one_station_is_out_of_service_and_one_has_never_reported() -> None:
    assert {(report["is_renting"], report["is_returning"]) for report in reports_of(10)} == {(0, 0)}
    assert all(report["last_reported"] > 0 for report in reports_of(10))
    assert {report["last_reported"] for report in reports_of(11)} == {0}


def test_each_request_gets_the_next_snapshot_and_then_the_last_one(tmp_path: Path) -> None:
    with SampleProvider([StationStatusSample(DOCUMENTS[:2])]) as provider:
        url = provider.environment["STATION_STATUS_URL"]
        answers = [requests.get(url, timeout=5).json()["last_updated"] for _ in range(3)]
        assert requests.get(f"{url}/other", timeout=5).status_code == 404
    assert answers == [DOCUMENTS[number]["last_updated"] for number in (0, 1, 1)]
    assert provider.environment["STATION_STATUS_POLLS"] == "2"
    assert provider.environment["STATION_STATUS_POLL_SECONDS"] == "0"


def test_a_stored_document_is_served_as_live(tmp_path: Path) -> None:
    path = tmp_path / "station_status.json"
    path.write_text(json.dumps(DOCUMENTS[5]))
    with SampleProvider.of_stored({"station_status": path}) as provider:
        answer = requests.get(provider.environment["STATION_STATUS_URL"], timeout=5)
    assert answer.json() == DOCUMENTS[5]
    assert "X-Data-Stack-Origin" not in answer.headers


@pytest.mark.parametrize("text", ["", "[]", '{"data": {}}', '{"data": {"stations": []}}'])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(TerminalError, match=r"other\.json contains no document of the GBFS feed"):
        StationStatusSample.of_stored(path)
