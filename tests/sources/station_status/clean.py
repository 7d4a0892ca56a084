"""A clean raw file of the feed of stations, in copies of which the tests of the gate corrupt one thing."""

from datetime import datetime, timedelta
from typing import Any

from gate_cases import LOAD
from raw_builder import build_raw

from data_stack.settings import Settings

LOADS = ("1.0", LOAD)
STATIONS = 10
FIRST_POLL = datetime(2024, 1, 10, 12)


def build(settings: Settings) -> None:
    """Write the raw file: one poll in the earlier load, two in the later one, half an hour apart."""
    provider = [{"source": "station_status", "origin": "live", "scope": ""}]
    build_raw(settings, "station_status", {**_polls(0), "provider": provider}, LOADS[0])
    build_raw(settings, "station_status", _polls(1, 2), LOAD)


def _polls(*numbers: int) -> dict[str, list[dict[str, Any]]]:
    return {
        "reports": [_report(number, station) for number in numbers for station in range(STATIONS)],
        "polls": [_poll(number) for number in numbers],
    }


def _poll(number: int) -> dict[str, Any]:
    updated_utc = FIRST_POLL + number * timedelta(minutes=30)
    return {
        "batch": f"poll {number}",
        "last_updated_utc": updated_utc,
        "fetched_at_utc": updated_utc + timedelta(seconds=40),
        "stations": STATIONS + 1,
        "stations_silent": 0,
        "stations_never_reported": 1,
    }


def _report(number: int, station: int) -> dict[str, Any]:
    """A station of 20 docks; the last one is out of service, without any dock or bike."""
    is_in_service = station < STATIONS - 1
    bikes = (station + number) % 18
    return {
        "station_id": f"station {station}",
        "last_reported_utc": FIRST_POLL + number * timedelta(minutes=30) - timedelta(seconds=60 + station),
        "num_bikes_available": bikes if is_in_service else 0,
        "num_ebikes_available": bikes // 3 if is_in_service else 0,
        "num_bikes_disabled": 1 if is_in_service else 0,
        "num_docks_available": 18 - bikes if is_in_service else 0,
        "num_docks_disabled": 1 if is_in_service else 0,
        "is_installed": True,
        "is_renting": is_in_service,
        "is_returning": is_in_service,
        "batch": f"poll {number}",
    }
