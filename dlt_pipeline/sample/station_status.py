"""Sample station status: one day of a small system, in the format of the GBFS feed `station_status` (version 1.1).

Homes lose their bikes in the morning and offices gain them, until some stations are empty or full. A feed shows only
the present, so each request is answered with the next snapshot of the day.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from math import cos, pi
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np

from data_stack.errors import TerminalError
from dlt_pipeline.sample.draw import draw_uniform
from dlt_pipeline.sample.source import Response, SampleSource, make_json_response
from dlt_pipeline.sample.spec import SampleSpec

SNAPSHOTS = 48
EVERY = timedelta(minutes=30)
# in the middle of the sample's last month, so that its rides have this day too
_DAY_OF_MONTH = 11
_ZONE = ZoneInfo("America/New_York")
# share of the polls before which a station has not reported again
_SAME_REPORT_SHARE = 0.1
_LATEST_REPORT_SECONDS = 600


class Stream(IntEnum):
    """See `draw.make_generator`."""

    REPORT_AGE = 40
    SAME_REPORT = 41
    BIKES = 42
    EBIKES = 43


@dataclass(frozen=True)
class Station:
    """A station of the sample.

    Attributes:
        number: Its number, from 0.
        docks: Its docks, disabled ones included.
        homes: Whether its riders leave in the morning (1), arrive then (-1), or neither (0).
        is_in_service: Whether it rents and takes back bikes.
        has_reported: Whether it has ever reported.
        offline: Snapshots from the first to before the second in which it does not report.
    """

    number: int
    docks: int
    homes: int
    is_in_service: bool = True
    has_reported: bool = True
    offline: tuple[int, int] = (0, 0)

    @property
    def station_id(self) -> str:
        """Its identifier, of the form that the provider uses."""
        return f"66db{self.number:04d}-0aca-11e7-82f6-3863bb44ef7c"


STATIONS = (
    *(Station(number, 15 + 4 * number, homes=1) for number in range(4)),
    *(Station(number, 11 + 2 * number, homes=-1) for number in range(4, 8)),
    Station(8, 27, homes=0),
    # from 12:00 to 16:00
    Station(9, 19, homes=0, offline=(24, 32)),
    Station(10, 23, homes=0, is_in_service=False),
    Station(11, 31, homes=0, has_reported=False),
)


def generate_documents(spec: SampleSpec) -> list[dict[str, Any]]:
    """The snapshots of the day, every half hour from local midnight, in order.

    Args:
        spec: The sample; the day is in its last month.
    """
    midnight = datetime(spec.last_month.year, spec.last_month.month, _DAY_OF_MONTH, tzinfo=_ZONE).astimezone(UTC)
    # the first snapshot comes after midnight, so that every report is of this day
    times = [midnight + timedelta(minutes=15) + number * EVERY for number in range(SNAPSHOTS)]
    stations = [_generate_reports(spec.seed, station, times) for station in STATIONS]
    return [
        {
            "last_updated": int(time.timestamp()),
            "ttl": 60,
            "version": "1.1",
            "data": {"stations": [reports[number] for reports in stations]},
        }
        for number, time in enumerate(times)
    ]


def _generate_reports(seed: int, station: Station, times: Sequence[datetime]) -> list[dict[str, Any]]:
    """What a station says in each snapshot; it repeats its report until the next one."""
    ordinals = np.arange(SNAPSHOTS, dtype=np.int64) * len(STATIONS) + station.number
    ages = draw_uniform(seed, Stream.REPORT_AGE, ordinals) * _LATEST_REPORT_SECONDS
    is_same = draw_uniform(seed, Stream.SAME_REPORT, ordinals) < _SAME_REPORT_SHARE
    noise, electric = (draw_uniform(seed, stream, ordinals) for stream in (Stream.BIKES, Stream.EBIKES))
    reports: list[dict[str, Any]] = []
    for number, time in enumerate(times):
        is_offline = station.offline[0] <= number < station.offline[1]
        if reports and (is_same[number] or is_offline):
            reports.append(reports[-1])
            continue
        seconds = int(time.timestamp() - ages[number]) if station.has_reported else 0
        reports.append(_describe_station(station, seconds, time, float(noise[number]), float(electric[number])))
    return reports


def _describe_station(station: Station, seconds: int, time: datetime, noise: float, electric: float) -> dict[str, Any]:
    disabled = 1 if station.number % 3 == 0 else 0
    usable = station.docks - disabled
    bikes = round(usable * _fill_share(station, time, noise)) if station.is_in_service and station.has_reported else 0
    flag = int(station.is_in_service and station.has_reported)
    return {
        "station_id": station.station_id,
        "legacy_id": str(72 + station.number),
        "num_bikes_available": bikes,
        "num_ebikes_available": int(bikes * 0.4 * electric),
        "num_bikes_disabled": 0,
        "num_docks_available": usable - bikes if flag else 0,
        "num_docks_disabled": disabled,
        "is_installed": int(station.has_reported),
        "is_renting": flag,
        "is_returning": flag,
        "last_reported": seconds,
        "eightd_has_available_keys": False,
    }


def _fill_share(station: Station, time: datetime, noise: float) -> float:
    """Share of the docks with a bike, 0 to 1: homes are full at 4 and empty at 16 o'clock, offices the other way."""
    local = time.astimezone(_ZONE)
    hour = local.hour + local.minute / 60
    share = 0.5 + 0.62 * station.homes * cos(2 * pi * (hour - 4) / 24) + 0.2 * (noise - 0.5)
    return min(max(share, 0.0), 1.0)


class StationStatusSample(SampleSource):
    """The feed in the sample, at the prefix itself; it has no files.

    Args:
        documents: Answered one after the other; the last one is repeated.
    """

    name = "station_status"
    url_variable = "STATION_STATUS_URL"

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self.documents = list(documents)
        self._answered = 0
        self._lock = threading.Lock()

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """See `SampleSource.write_files`."""

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """See `SampleSource.of_sample`."""
        return cls(generate_documents(spec))

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        """See `SampleSource.of_stored`: a file with a document of the feed."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            document["data"]["stations"], document["last_updated"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TerminalError(
                f"{path} contains no document of the GBFS feed station_status ({error!r}); name another file"
            ) from error
        return cls([document])

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        """See `SampleSource.answer`."""
        if path:
            return None
        with self._lock:
            document = self.documents[min(self._answered, len(self.documents) - 1)]
            self._answered += 1
        return make_json_response(200, document)

    def list_variables(self) -> dict[str, str]:
        """See `SampleSource.list_variables`: one run reads every snapshot, and waits for none."""
        return {"STATION_STATUS_POLLS": str(len(self.documents)), "STATION_STATUS_POLL_SECONDS": "0"}
