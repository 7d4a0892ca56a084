"""Documents in the format of the feed of stations, with values that a test knows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt_pipeline.sample.station_status import StationStatusSample


def seconds(time_utc: str) -> int:
    """Seconds since 1970 of a UTC time such as `2024-01-10 12:00`."""
    return int(datetime.fromisoformat(time_utc).replace(tzinfo=UTC).timestamp())


def station(station_name: str, reported_utc: str, bikes: int = 3, docks: int = 12, **fields: Any) -> dict[str, Any]:
    """A station in service with this identifier; other fields replace the default ones."""
    return {
        "station_id": station_name,
        "num_bikes_available": bikes,
        "num_ebikes_available": 1,
        "num_bikes_disabled": 0,
        "num_docks_available": docks,
        "num_docks_disabled": 0,
        "is_installed": 1,
        "is_renting": 1,
        "is_returning": 1,
        "last_reported": seconds(reported_utc),
        "legacy_id": "72",
        **fields,
    }


def document(updated_utc: str, *stations: Any) -> dict[str, Any]:
    """A document of the feed with its own time."""
    return {"last_updated": seconds(updated_utc), "ttl": 60, "version": "1.1", "data": {"stations": list(stations)}}


def make_sample(folder: Path) -> StationStatusSample:
    """What the fixture `serve` serves: two stations, polled twice, of which one has reported in between."""
    resting = station("b", "2024-01-10 12:01")
    return StationStatusSample(
        [
            document("2024-01-10 12:05", station("a", "2024-01-10 12:02"), resting),
            document("2024-01-10 12:35", station("a", "2024-01-10 12:32", bikes=0, docks=15), resting),
        ]
    )
