"""The gate on the feed of stations: what is true of a sample, and of a first load."""

from datetime import datetime

from raw_builder import build_raw

from data_quality.runner import validate
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings


def validate_document(settings: Settings, origin: str) -> tuple[bool, list[str]]:
    """Whether a first load passes whose document is from another year, and the columns of its warnings."""
    old = datetime(2020, 1, 10, 12)
    report = {"station_id": "a", "last_reported_utc": old, "num_bikes_available": 0, "batch": "poll"}
    poll = {"batch": "poll", "last_updated_utc": old, "fetched_at_utc": datetime(2024, 1, 10), "stations": 1}
    provider = {"source": "station_status", "origin": origin, "scope": ""}
    tables = {
        "reports": [report],
        "polls": [{**poll, "stations_silent": 0, "stations_never_reported": 0}],
        "provider": [provider],
    }
    build_raw(settings, "station_status", tables)
    ops = Ops(settings)
    (gate,) = validate(settings, ops, "run", get_source("station_status"))
    return gate.passed, [failure.column for failure in gate.failures]


def test_a_stale_live_document_passes_with_a_warning(settings: Settings) -> None:
    assert validate_document(settings, "live") == (True, ["hours_behind"])


def test_a_sample_is_never_stale(settings: Settings) -> None:
    assert validate_document(settings, "sample") == (True, [])
