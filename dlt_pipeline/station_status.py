"""The GBFS feed `station_status`: a JSON document with the present state of every station, which is polled.

The feed has no history, so every poll lands, and what was never polled is unknown. A station reports on its own: its
row is new only if it has reported since the poll before.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import BaseStackSettings, BaseUrl, Settings
from data_stack.window import Window
from dlt_pipeline.http import Http, read_origin
from dlt_pipeline.landing import Answer, Landed, describe_get
from dlt_pipeline.reader import BatchReader, Plan, Planned, Provider
from dlt_pipeline.stage import Reject, RejectedRowError, Stage
from dlt_pipeline.tables import BOOLEAN, INTEGER, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable

COUNTS = (
    "num_bikes_available",
    "num_ebikes_available",
    "num_bikes_disabled",
    "num_docks_available",
    "num_docks_disabled",
)
FLAGS = ("is_installed", "is_renting", "is_returning")

REPORTS = RawTable(
    "reports",
    pa.schema(
        [
            ("station_id", TEXT),
            ("last_reported_utc", TIMESTAMP),
            *((name, INTEGER) for name in COUNTS),
            *((name, BOOLEAN) for name in FLAGS),
            ("batch", TEXT),
        ]
    ),
    key=("station_id", "last_reported_utc"),
)
POLLS = RawTable(
    "polls",
    pa.schema(
        [
            ("batch", TEXT),
            ("last_updated_utc", TIMESTAMP),
            ("fetched_at_utc", TIMESTAMP),
            ("stations", INTEGER),
            ("stations_silent", INTEGER),
            ("stations_never_reported", INTEGER),
        ]
    ),
    key=("batch",),
)
TABLES = (REPORTS, POLLS, REJECTS, PROVIDER)

# A station that was never seen has 0, or 86400 in feeds that count from the second day. That is normal, since stations
# are being built, and there can be more of them than the 1 % of rows that REJECT_SHARE_MAX allows to be rejected. There
# is no report, so there is no row: they are counted in `polls` and reported in a note. A row without a time is damaged
# and is rejected.
_NEVER_REPORTED_MAX = 86_400
# a station calls every few minutes, so one that has not for so long is offline; the suite warns if many are
SILENT_AFTER = timedelta(hours=3)
_FLAG_VALUES: dict[Any, bool] = {0: False, 1: True}


class StationStatusSettings(BaseStackSettings):
    """Settings of this source; variables begin with `STATION_STATUS_`."""

    model_config = SettingsConfigDict(env_prefix="STATION_STATUS_")

    url: BaseUrl = Field(
        "https://gbfs.citibikenyc.com/gbfs/en/station_status.json", description="URL of the GBFS feed `station_status`"
    )
    polls: int = Field(1, ge=1, le=1440, description="How often the feed is polled in a run")
    poll_seconds: float = Field(60, ge=0, le=3600, description="Seconds between two polls of a run")


@dataclass(frozen=True)
class Poll:
    """One request of the feed.

    Attributes:
        planned_at: When the run planned it, as text: the name under which a replay finds what it brought.
        number: Which of the polls of the run it is, from 1.
    """

    planned_at: str
    number: int

    def __str__(self) -> str:
        return f"poll {self.number} of {self.planned_at}"


class StationStatusReader(BatchReader[Poll]):
    """Polls the feed; each document is a batch."""

    name = "station_status"
    tables = TABLES
    settings_class = StationStatusSettings

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        super().__init__(settings, is_replay)
        self.feed = StationStatusSettings.load()
        self.http = Http(settings)
        self._origin: str | None = None
        self._polls: dict[str, dict[str, Any]] = {}

    def plan(self, window: Window | None) -> Plan[Poll]:
        """See `SourceReader.plan`; the window is ignored, because the feed has no history."""
        planned_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        polls = [Poll(planned_at, number) for number in range(1, self.feed.polls + 1)]
        return Plan(tuple(Planned(str(poll), None, None, poll) for poll in polls))

    def provider(self) -> Provider:
        """See `SourceReader.provider`; the origin is known once the feed has answered."""
        return Provider(self._origin, "")

    def read(self, items: list[Poll], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`."""
        for position, poll in enumerate(items):
            if position and not self.landing.is_replay:
                time.sleep(self.feed.poll_seconds)
            progress("polling the feed of stations", position, len(items))
            landed = self.http.retry(partial(self._fetch_document, poll))
            self._origin = landed.origin
            self._stage_document(landed, stage)
        self._note_never_reported()

    def describe(self, items: list[Poll], stage: Stage) -> None:
        """See `SourceReader.describe`: when each document was made and fetched."""
        stage.write_rows(POLLS, list(self._polls.values()))

    def _fetch_document(self, poll: Poll) -> Landed:
        return self.landing.fetch(
            str(poll), describe_get(self.feed.url), lambda part: self._send_request().write_to(part)
        )

    def _send_request(self) -> Answer:
        response = self.http.get(self.feed.url)
        _parse_document(response.content, self.feed.url)
        return Answer(response.content, read_origin(response))

    def _stage_document(self, landed: Landed, stage: Stage) -> None:
        updated_utc, stations = _parse_document(landed.path.read_bytes(), self.feed.url)
        batch = f"station_status {updated_utc:%Y-%m-%dT%H:%M:%SZ} {landed.sha256[:8]}"
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        never_reported = 0
        for position, station in enumerate(stations, 1):
            try:
                if _is_never_reported(station):
                    never_reported += 1
                else:
                    rows.append(_parse_station(station) | {"batch": batch})
            except RejectedRowError as error:
                rejects.append(Reject(batch, position, str(error), json.dumps(station)))
        stage.write_rows(REPORTS, rows)
        stage.write_rejects(rejects)
        stage.count_read(batch, len(rows) + len(rejects))
        # the same document, fetched twice within its time to live, is one poll
        self._polls[batch] = {
            "batch": batch,
            "last_updated_utc": updated_utc,
            "fetched_at_utc": landed.fetched_at_utc,
            "stations": len(stations),
            "stations_silent": sum(updated_utc - row["last_reported_utc"] > SILENT_AFTER for row in rows),
            "stations_never_reported": never_reported,
        }

    def _note_never_reported(self) -> None:
        latest = list(self._polls.values())[-1]
        if latest["stations_never_reported"]:
            self.notes.append(
                f"{latest['stations_never_reported']} of the {latest['stations']} stations have never reported and "
                "are left out"
            )


def _parse_document(content: bytes, url: str) -> tuple[datetime, list[Any]]:
    """The document's own time (naive UTC), and its stations.

    Raises:
        TransientError: It is no JSON, such as the page of a proxy.
        TerminalError: It is another document, or one without stations.
    """
    try:
        document = json.loads(content)
    except ValueError:
        raise TransientError(f"{url} did not answer with JSON") from None
    data = document.get("data") if isinstance(document, dict) else None
    stations = data.get("stations") if isinstance(data, dict) else None
    if not isinstance(stations, list) or not stations:
        raise TerminalError(
            f"station_status: the document of {url} has no stations; nothing was loaded, check STATION_STATUS_URL"
        )
    updated_utc = _parse_seconds(document.get("last_updated"))
    if updated_utc is None:
        raise TerminalError(
            f"station_status: last_updated of {url} is not a number of seconds, so the feed may have another version "
            "than GBFS 1 or 2; nothing was loaded, check STATION_STATUS_URL"
        )
    return updated_utc, stations


def _parse_seconds(value: object) -> datetime | None:
    """A naive UTC time of seconds since 1970; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        return None


def _is_never_reported(station: object) -> bool:
    seconds = station.get("last_reported") if isinstance(station, dict) else None
    return isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds <= _NEVER_REPORTED_MAX


def _parse_station(station: object) -> dict[str, Any]:
    """The columns of a report; unknown fields of the station are ignored."""
    if not isinstance(station, dict):
        raise RejectedRowError("the station is not an object")
    station_id, last_reported_utc = station.get("station_id"), _parse_seconds(station.get("last_reported"))
    if not isinstance(station_id, str) or not station_id.strip():
        raise RejectedRowError("station_id is missing or not a text")
    if last_reported_utc is None:
        raise RejectedRowError("last_reported is missing or not a number of seconds")
    if station.get("num_bikes_available") is None:
        raise RejectedRowError("num_bikes_available is missing")
    counts = {name: _parse_count(station, name) for name in COUNTS}
    flags = {name: _parse_flag(station, name) for name in FLAGS}
    return {"station_id": station_id, "last_reported_utc": last_reported_utc, **counts, **flags}


def _parse_count(station: Mapping[str, Any], name: str) -> int | None:
    value = station.get(name)
    if value is None:
        return None
    # the suite judges the size; this only keeps it within the column
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    raise RejectedRowError(f"{name} is not a whole number")


def _parse_flag(station: Mapping[str, Any], name: str) -> bool:
    """GBFS 1 has 0 and 1, GBFS 2 has false and true, which are equal to them in Python."""
    value = station.get(name)
    if not isinstance(value, int) or value not in _FLAG_VALUES:
        raise RejectedRowError(f"{name} is not true, false, 0 or 1")
    return _FLAG_VALUES[value]
