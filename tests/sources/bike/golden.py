"""Golden rides: few rows that show every rule. `test_golden_bike*.py` has the expected tables, computed by hand.

New York local time in 2024: 10 March has no hour from 02:00 (EST, UTC-5, becomes EDT, UTC-4, at 07:00 UTC); 3 November
has the hour from 01:00 twice (EDT from 05:00 UTC, EST from 06:00 UTC).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from typing import Any

import duckdb
from raw_builder import build_raw, pass_loads

from data_stack.ops import Ops
from data_stack.settings import Settings

_LOADS = count(1)


@dataclass(frozen=True)
class Ride:
    """A ride as in a file; times are New York local times."""

    ride_id: str
    start: str
    end: str
    from_station: str | None = "A"
    to_station: str | None = "B"
    rider: str | None = "member"

    def row(self, batch: str) -> dict[str, Any]:
        return {
            "ride_id": self.ride_id,
            "rideable_type": "classic_bike",
            "started_at_local": datetime.fromisoformat(self.start),
            "ended_at_local": datetime.fromisoformat(self.end),
            "start_station_id": self.from_station,
            "start_station_name": self.from_station and f"Station {self.from_station}",
            "start_latitude": 40.72,
            "start_longitude": -74.05,
            "end_station_id": self.to_station,
            "end_station_name": self.to_station and f"Station {self.to_station}",
            "end_latitude": 40.73,
            "end_longitude": -74.04,
            "member_casual": self.rider,
            "batch": batch,
            "source_line": 2,
        }


def put_bike_file(settings: Settings, name: str, month: str, rides: Iterable[Ride], cut_by_end: bool = False) -> None:
    """Load a file or a corrected version of it, which passes; as in ingestion, it replaces the rows of its month."""
    file = {
        "batch": name,
        "object_key": name,
        "month": date.fromisoformat(month),
        "is_cut_by_end": cut_by_end,
        "loaded_at_utc": datetime(2025, 1, 1),
    }
    trips = [ride.row(name) | {"month": file["month"]} for ride in rides]
    tables = {"trips": trips, "files": [file]}
    build_raw(settings, "bike", tables, load_id=f"{next(_LOADS)}.5")
    pass_loads(settings, ["bike"])


def drop_bike_file(settings: Settings, name: str) -> None:
    """Remove a file from the raw tables."""
    with duckdb.connect(str(build_raw(settings, "bike"))) as db:
        for table in ("trips", "files"):
            db.execute(f"delete from raw.{table} where batch = ?", [name])


def reset_bike(settings: Settings) -> None:
    """Start again with an empty raw file, as `data-stack reset bike` does."""
    settings.raw_file("bike").unlink(missing_ok=True)
    Ops(settings).supersede_loads("bike")
    build_raw(settings, "bike")


MARCH = [
    # Mondays at 8: two dry ones with 2 and 4 rides, a rainy one with 1
    Ride("mon04_a", "2024-03-04 08:00:00", "2024-03-04 08:10:00", "A", "B", "member"),
    Ride("mon04_b", "2024-03-04 08:59:59", "2024-03-04 09:29:59", "A", "B", "casual"),
    Ride("mon11_a", "2024-03-11 08:00:00", "2024-03-11 08:10:00"),
    Ride("mon11_b", "2024-03-11 08:10:00", "2024-03-11 08:20:00"),
    Ride("mon11_c", "2024-03-11 08:20:00", "2024-03-11 08:30:00"),
    Ride("mon11_d", "2024-03-11 08:30:00", "2024-03-11 08:40:00"),
    Ride("mon18_a", "2024-03-18 08:30:00", "2024-03-18 08:45:00.500"),
    # the end is before the start; the kind of rider is unknown
    Ride("backward", "2024-03-04 12:00:00", "2024-03-04 11:59:00", None, "C", None),
    # over the hour that is missing in spring, and from within it
    Ride("spring_across", "2024-03-10 01:50:00", "2024-03-10 03:05:00"),
    Ride("spring_within", "2024-03-10 02:30:00", "2024-03-10 03:45:00"),
    # over midnight, from one station to another
    Ride("over_midnight", "2024-03-20 23:50:00", "2024-03-21 00:20:00", "B", "A"),
    Ride("no_end", "2024-03-20 10:00:00", "2024-03-20 10:30:00", "B", None),
]
NOVEMBER = [
    # a stray ride: the file is cut by end, and October is not loaded
    Ride("stray", "2024-10-31 23:50:00", "2024-11-01 00:10:00"),
    # before, over and after the autumn change
    Ride("autumn_first", "2024-11-03 01:10:00", "2024-11-03 01:40:00"),
    Ride("autumn_over", "2024-11-03 01:50:00", "2024-11-03 01:10:00"),
    Ride("autumn_after", "2024-11-03 02:00:00", "2024-11-03 02:20:00"),
    # the last day: December is not loaded
    Ride("last_day", "2024-11-30 23:00:00", "2024-11-30 23:30:00"),
]
# the first and the last covered day
DAYS = (date(2024, 3, 1), date(2024, 11, 30))
# the files are from the beginning of 2025
FRESHNESS = "warn"


def load_golden(settings: Settings) -> None:
    """Write the rows into the raw file and let their loads pass."""
    put_bike_file(settings, "JC-202403.zip", "2024-03-01", MARCH)
    put_bike_file(settings, "JC-202411.zip", "2024-11-01", NOVEMBER, cut_by_end=True)
