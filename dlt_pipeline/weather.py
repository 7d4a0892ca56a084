"""Open-Meteo's archive API: hourly weather of one place, requested in GMT.

The API answers complete UTC days in parallel arrays, with null where it has no value (yet). The key of a row contains
the requested place; the grid cell that the values belong to is kept in separate columns.
"""

import json
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from http.client import TOO_MANY_REQUESTS
from typing import Any

import pyarrow as pa
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from requests import Response
from requests.exceptions import JSONDecodeError as RequestsJSONDecodeError

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import BaseStackSettings, BaseUrl, Settings
from data_stack.window import Window
from dlt_pipeline.http import Http, check_status, read_origin, translate_failures
from dlt_pipeline.landing import Answer, Landed, describe_get
from dlt_pipeline.reader import BatchReader, Plan, Planned, Provider
from dlt_pipeline.stage import Reject, RejectedRowError, Stage
from dlt_pipeline.tables import DOUBLE, INTEGER, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable

MEASURES = (
    "temperature_2m",
    "relative_humidity_2m",
    "apparent_temperature",
    "precipitation",
    "rain",
    "snowfall",
    "wind_speed_10m",
    "weather_code",
)

HOURS = RawTable(
    "hours",
    pa.schema(
        [
            ("place_id", TEXT),
            ("latitude", DOUBLE),
            ("longitude", DOUBLE),
            ("grid_latitude", DOUBLE),
            ("grid_longitude", DOUBLE),
            ("elevation", DOUBLE),
            ("hour_utc", TIMESTAMP),
            *((measure, INTEGER if measure == "weather_code" else DOUBLE) for measure in MEASURES),
            ("batch", TEXT),
        ]
    ),
    key=("place_id", "hour_utc"),
)
TABLES = (HOURS, REJECTS, PROVIDER)

_HOUR = timedelta(hours=1)
_PATH = "/v1/archive"
_TIME_FORMAT = "%Y-%m-%dT%H:%M"
_ANY_VALUE = " or ".join(f"{measure} is not null" for measure in MEASURES)
# the archive revises its latest days, so a request begins this much before the first missing hour
_OVERLAP = timedelta(days=2)


class WeatherSettings(BaseStackSettings):
    """Settings of this source; variables begin with `WEATHER_`."""

    model_config = SettingsConfigDict(env_prefix="WEATHER_")

    base_url: BaseUrl = Field("https://archive-api.open-meteo.com", description="Server of the archive API")
    latitude: float = Field(40.7282, ge=-90, le=90, description="Place asked for, degrees north (default Jersey City)")
    longitude: float = Field(-74.0776, ge=-180, le=180, description="Place asked for, degrees east")

    @property
    def place_id(self) -> str:
        """Key of the place: latitude and longitude as they are requested."""
        return f"{self.latitude},{self.longitude}"


@dataclass(frozen=True)
class Request:
    """Complete UTC days to request, both ends included."""

    start: date
    end: date

    def __str__(self) -> str:
        return f"archive {self.start}..{self.end}"


class WeatherReader(BatchReader[Request]):
    """Requests the missing hours of a window, plus an overlap."""

    name = "weather"
    tables = TABLES
    settings_class = WeatherSettings

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        super().__init__(settings, is_replay)
        self.weather = WeatherSettings.load()
        self.http = Http(settings)
        self._origin: str | None = None

    def plan(self, window: Window | None) -> Plan[Request]:
        """See `SourceReader.plan`; a window is required."""
        if window is None:
            raise TerminalError("weather: a window is required; pass --from and --to")
        first, end = window.hours_utc()
        hours = {first + number * _HOUR for number in range((end - first) // _HOUR)}
        missing = sorted(hours - self._find_loaded_hours(first, end))
        if not missing:
            request = Request(first.date(), (end - _HOUR).date())
            return Plan((Planned(str(request), None, "every hour is loaded", request),))
        start = missing[0] - _OVERLAP
        if not self._find_loaded_hours(start, missing[0]):
            start = missing[0]
        request = Request(start.date(), missing[-1].date())
        return Plan((Planned(str(request), None, None, request),))

    def provider(self) -> Provider:
        """See `SourceReader.provider`; the origin is known once the API has answered."""
        return Provider(self._origin, self.weather.place_id)

    def read(self, items: list[Request], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`."""
        for request in items:
            progress(str(request), 0, None)
            landed = self.http.retry(partial(self._fetch_answer, request))
            self._origin = landed.origin
            self._stage_answer(request, json.loads(landed.path.read_bytes()), stage)

    def _find_loaded_hours(self, first: datetime, end: datetime) -> set[datetime]:
        """Hours from `first` up to `end` with at least one value, in a load that has not failed its gate."""
        rows = self.query_raw(
            f"select hour_utc from raw.hours where place_id = ? and hour_utc >= ? and hour_utc < ? and ({_ANY_VALUE})"
            " and not list_contains(?, _dlt_load_id)",
            [self.weather.place_id, first, end, self.failed_loads()],
        )
        return {row[0] for row in rows}

    def _fetch_answer(self, request: Request) -> Landed:
        parameters = {
            "latitude": self.weather.latitude,
            "longitude": self.weather.longitude,
            "start_date": request.start.isoformat(),
            "end_date": request.end.isoformat(),
            "hourly": ",".join(MEASURES),
            "timezone": "GMT",
        }
        return self.landing.fetch(
            f"{request} of {self.weather.place_id}",
            describe_get(f"{self.weather.base_url}{_PATH}", parameters),
            lambda part: self._send_request(parameters).write_to(part),
        )

    def _send_request(self, parameters: dict[str, Any]) -> Answer:
        # dlt is slow to import, and planning does not need it
        from dlt.sources.helpers.rest_client import RESTClient

        client = RESTClient(self.weather.base_url, session=self.http.session)
        with translate_failures(f"{self.weather.base_url}{_PATH}"):
            response = client.get(_PATH, params=parameters, timeout=self.http.timeout)
        _check_answer(response)
        return Answer(response.content, read_origin(response))

    def _stage_answer(self, request: Request, answer: dict[str, Any], stage: Stage) -> None:
        series = _extract_series(answer)
        place = {
            "place_id": self.weather.place_id,
            "latitude": self.weather.latitude,
            "longitude": self.weather.longitude,
            "grid_latitude": answer.get("latitude"),
            "grid_longitude": answer.get("longitude"),
            "elevation": answer.get("elevation"),
            "batch": str(request),
        }
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        for position, values in enumerate(zip(*series.values(), strict=True), 1):
            hour = dict(zip(series, values, strict=True))
            try:
                rows.append(place | hour | {"hour_utc": _parse_hour(hour)})
            except RejectedRowError as error:
                rejects.append(Reject(str(request), position, str(error), json.dumps(hour)))
        stage.write_rows(HOURS, rows)
        stage.write_rejects(rejects)
        stage.count_read(str(request), len(rows) + len(rejects))
        requested = ((request.end - request.start).days + 1) * 24
        if len(rows) < requested:
            self.notes.append(f"the provider answered {len(rows)} of the {requested} hours of {request}")


def _check_answer(response: Response) -> None:
    """Check that the answer is a JSON object without an error; if not, raise the provider's own reason for it."""
    try:
        answer = response.json()
    except RequestsJSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("error"):
        reason = str(answer.get("reason"))
        if response.status_code == TOO_MANY_REQUESTS:
            raise TransientError(f"weather: the provider's request limit is reached: {reason}")
        raise TerminalError(
            f"weather: the provider refuses the request: {reason}; "
            "check WEATHER_LATITUDE, WEATHER_LONGITUDE and the dates"
        )
    check_status(response)
    if not isinstance(answer, dict):
        raise TransientError(f"{response.url.split('?')[0]} did not answer with JSON")


def _extract_series(answer: dict[str, Any]) -> dict[str, list[Any]]:
    """The hours, and the requested measures that the provider answered, as parallel lists."""
    hourly = answer.get("hourly")
    times = hourly.get("time") if isinstance(hourly, dict) else None
    if not isinstance(hourly, dict) or not times:
        raise TerminalError(
            "weather: the answer has no hours, so the provider may have changed its format; "
            "nothing was loaded, please report it"
        )
    series = {"time": times} | {measure: hourly[measure] for measure in MEASURES if measure in hourly}
    if any(len(values) != len(times) for values in series.values()):
        raise TerminalError("weather: the answer's columns differ in length; nothing was loaded, run again later")
    return series


def _parse_hour(hour: dict[str, Any]) -> datetime:
    """Parse the time of an hour, and check that its values are numbers."""
    try:
        hour_utc = datetime.strptime(hour["time"], _TIME_FORMAT)
    except (TypeError, ValueError):
        raise RejectedRowError("time is not an hour") from None
    for measure in MEASURES:
        value = hour.get(measure)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise RejectedRowError(f"{measure} is not a number")
        if measure == "weather_code" and value != int(value):
            raise RejectedRowError("weather_code is not a whole number")
    return hour_utc
