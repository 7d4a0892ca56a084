"""Sample weather: a deterministic function of seed and hour, in the format of Open-Meteo's archive API.

The error messages and the bounds of the weather codes are those of the API's public source code
(open-meteo/open-meteo: `ForecastapiQuery.swift`, `Time.swift`, `WeatherCode.swift`).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from data_stack.errors import TerminalError
from dlt_pipeline.sample.climate import generate_climate
from dlt_pipeline.sample.draw import Floats, Hours, draw_uniform
from dlt_pipeline.sample.source import Response, SampleSource, make_json_response
from dlt_pipeline.sample.spec import SampleSpec

UNITS = {
    "temperature_2m": "°C",
    "relative_humidity_2m": "%",
    "apparent_temperature": "°C",
    "precipitation": "mm",
    "rain": "mm",
    "snowfall": "cm",
    "wind_speed_10m": "km/h",
    "weather_code": "wmo code",
}
VARIABLES = tuple(UNITS)
FIRST_DAY = date(1940, 1, 1)

# share of the hours in which one variable is null
GAP_SHARE = 0.0007

_EPOCH = date(1970, 1, 1)
# what the API calls the type of an hourly variable
_VARIABLE_KIND = (
    "SurfacePressureAndHeightVariable<VariableAndPreviousDay, ForecastPressureVariable, ForecastHeightVariable>"
)
_INTEGERS = ("relative_humidity_2m", "weather_code")
_ONLY_VALUES = {
    "temperature_unit": ("celsius", "TemperatureUnit"),
    "wind_speed_unit": ("kmh", "WindspeedUnit"),
    "precipitation_unit": ("mm", "PrecipitationUnit"),
    "timeformat": ("iso8601", "Timeformat"),
    "format": ("json", "ForecastResultFormat"),
}

Answer = tuple[int, dict[str, Any]]


class Stream(IntEnum):
    """See `draw.make_generator`."""

    GAP_HAPPENS = 30
    GAP_VARIABLE = 31


class WeatherAnswerer(Protocol):
    """An object that answers `/v1/archive`."""

    def answer(self, params: Mapping[str, str]) -> Answer:
        """HTTP status and JSON body for the query's parameters."""
        ...


class RequestError(Exception):
    """A request that the API refuses; the message is the `reason` of its answer."""


# -- the weather itself ---------------------------------------------------------------------------------------------


def list_hours(first: date, last: date) -> Hours:
    """List every hour of the UTC days from `first` to `last`, both included, as hours since 1970."""
    start, stop = (first - _EPOCH).days * 24, ((last - _EPOCH).days + 1) * 24
    return np.arange(start, stop, dtype=np.int64)


def generate_weather(seed: int, hours: Hours) -> dict[str, Floats]:
    """The weather without the gaps of the API.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC; any, in any order.

    Returns:
        One array per variable of `VARIABLES`, in the units of `UNITS`.
    """
    climate = generate_climate(seed, hours)
    codes = _choose_codes(climate["precipitation"], climate["snowfall"], climate["cloud"])
    return {name: codes if name == "weather_code" else climate[name] for name in VARIABLES}


def generate_gaps(seed: int, hours: Hours) -> dict[str, np.ndarray]:
    """Hours in which the API answers null: one mask per variable, at most one variable per hour.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC.
    """
    happens = draw_uniform(seed, Stream.GAP_HAPPENS, hours) < GAP_SHARE
    which = np.floor(draw_uniform(seed, Stream.GAP_VARIABLE, hours) * len(VARIABLES))
    return {variable: happens & (which == index) for index, variable in enumerate(VARIABLES)}


def _choose_codes(precipitation: Floats, snowfall: Floats, cloud: Floats) -> Floats:
    """WMO 4677 codes with the API's bounds: snow by cm, drizzle and rain by mm, otherwise cloud cover."""
    clear = np.digitize(cloud, [0.2, 0.5, 0.8])
    wet = np.array([51, 53, 55, 61, 63, 65])[np.digitize(precipitation, [0.5, 1.0, 1.3, 2.5, 7.6])]
    snow = np.array([71, 73, 75])[np.digitize(snowfall, [0.2, 0.8])]
    return np.asarray(np.where(snowfall > 0, snow, np.where(precipitation > 0, wet, clear)), np.float64)


# -- the API --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArchiveRequest:
    """The parameters of `/v1/archive` that the sample supports, checked.

    Attributes:
        latitude: Requested latitude, degrees north.
        longitude: Requested longitude, degrees east.
        first: First day, GMT.
        last: Last day, GMT, included.
        variables: Requested hourly variables, in the order of the request.
    """

    latitude: float
    longitude: float
    first: date
    last: date
    variables: tuple[str, ...]

    @classmethod
    def parse(cls, params: Mapping[str, str], last_day: date) -> "ArchiveRequest":
        """Read the query's parameters.

        Args:
            params: Names and values, decoded.
            last_day: The last day that the archive has.

        Raises:
            RequestError: A parameter is missing or invalid; the message is the API's.
        """
        for name, (value, kind) in _ONLY_VALUES.items():
            if params.get(name, value) != value:
                raise RequestError(_describe_invalid_value(kind, params[name]))
        variables = _parse_variables(params.get("hourly", ""))
        first, last = _parse_days(params, last_day)
        latitude, longitude = _parse_place(params)
        _check_timezone(params.get("timezone", "GMT"))
        return cls(latitude, longitude, first, last, variables)


def _describe_invalid_value(kind: str, value: str) -> str:
    return f"Data corrupted at path ''. Cannot initialize {kind} from invalid String value {value}."


def _parse_variables(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in UNITS:
            raise RequestError(_describe_invalid_value(_VARIABLE_KIND, name))
    return names


def _parse_days(params: Mapping[str, str], last_day: date) -> tuple[date, date]:
    if not params.get("start_date") or not params.get("end_date"):
        raise RequestError("Both 'start_date' and 'end_date' must be set in the url")
    first, last = _parse_day(params["start_date"]), _parse_day(params["end_date"])
    if last < first:
        raise RequestError("End-date must be larger or equals than start-date")
    for name, day in (("start_date", first), ("end_date", last)):
        if not FIRST_DAY <= day <= last_day:
            raise RequestError(f"Parameter '{name}' is out of allowed range from {FIRST_DAY} to {last_day}")
    return first, last


def _parse_day(text: str) -> date:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise RequestError("Invalid date format. Make sure to use 'YYYY-MM-DD'")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError("Invalid date") from None


def _parse_place(params: Mapping[str, str]) -> tuple[float, float]:
    texts = [params.get("latitude", ""), params.get("longitude", "")]
    if not any(texts):
        raise RequestError("Parameter 'latitude' and 'longitude' must not be empty")
    if not all(texts):
        raise RequestError("Parameter 'latitude' and 'longitude' must have the same number of elements")
    latitude, longitude = (_parse_degrees(text) for text in texts)
    if not abs(latitude) <= 90:
        raise RequestError(f"Latitude must be in range of -90 to 90°. Given: {latitude}.")
    if not abs(longitude) <= 180:
        raise RequestError(f"Longitude must be in range of -180 to 180°. Given: {longitude}.")
    return latitude, longitude


def _parse_degrees(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(_describe_invalid_value("Float", text)) from None


def _check_timezone(name: str) -> None:
    """The sample supports only GMT; an answer in another time zone would be wrong unnoticed."""
    if name not in ("GMT", "UTC"):
        raise RequestError("Invalid timezone" if "/" not in name else "This API does not yet support timezones")


def _format_hours(hours: Hours) -> list[str]:
    texts: list[str] = np.datetime_as_string(hours.astype("datetime64[h]"), unit="m").tolist()
    return texts


def _build_body(head: Mapping[str, Any], hours: Hours, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The answer's JSON; without an hourly variable the API omits both `hourly` members."""
    body = {"generationtime_ms": round(0.05 + 0.00002 * len(hours) * len(columns), 3), "utc_offset_seconds": 0}
    answer = {"latitude": head["latitude"], "longitude": head["longitude"], **body}
    answer |= {"timezone": "GMT", "timezone_abbreviation": "GMT", "elevation": head["elevation"]}
    if columns:
        answer["hourly_units"] = {"time": "iso8601", **{name: UNITS[name] for name in columns}}
        answer["hourly"] = {"time": _format_hours(hours), **columns}
    return answer


class ArchiveApi(ABC):
    """An archive API: checks the parameters as the real one does, and answers from its weather.

    Args:
        last_day: The last day with weather; today, as in the real API, if it is left out.
    """

    def __init__(self, last_day: date | None = None) -> None:
        self.last_day = last_day

    def answer(self, params: Mapping[str, str]) -> Answer:
        """HTTP status and JSON body for the parameters of `/v1/archive`."""
        try:
            request = ArchiveRequest.parse(params, self.last_day or datetime.now(UTC).date())
        except RequestError as error:
            return 400, {"error": True, "reason": str(error)}
        return 200, self._build_answer(request, list_hours(request.first, request.last))

    @abstractmethod
    def _build_answer(self, request: ArchiveRequest, hours: Hours) -> dict[str, Any]:
        """The JSON body for a valid request and its hours, as hours since 1970."""


class GeneratedWeather(ArchiveApi):
    """The archive API with the sample's weather.

    Args:
        seed: The sample's seed.
        last_day: See `ArchiveApi`.
    """

    def __init__(self, seed: int, last_day: date | None = None) -> None:
        super().__init__(last_day)
        self.seed = seed

    def _build_answer(self, request: ArchiveRequest, hours: Hours) -> dict[str, Any]:
        weather, missing = generate_weather(self.seed, hours), generate_gaps(self.seed, hours)
        columns = {name: _add_gaps(name, weather[name], missing[name]) for name in request.variables}
        # a grid of a tenth of a degree; + 0.0 turns -0.0 into 0.0
        head = {name: round(getattr(request, name), 1) + 0.0 for name in ("latitude", "longitude")}
        return _build_body({**head, "elevation": 7.0}, hours, columns)


def _add_gaps(name: str, values: Floats, missing: np.ndarray) -> list[Any]:
    column: list[Any] = (values.astype(np.int64) if name in _INTEGERS else values).tolist()
    for index in np.flatnonzero(missing):
        column[index] = None
    return column


class StoredWeather(ArchiveApi):
    """The archive API with one stored answer: hours that are missing in the file are null, missing variables left out.

    Args:
        path: A JSON file with an answer of the real API, requested in GMT.
        last_day: See `ArchiveApi`.

    Raises:
        TerminalError: The file does not exist or has another format.
    """

    def __init__(self, path: Path, last_day: date | None = None) -> None:
        super().__init__(last_day)
        try:
            self._head = json.loads(path.read_text(encoding="utf-8"))
            hourly = self._head["hourly"]
            self._place = {name: float(self._head[name]) for name in ("latitude", "longitude", "elevation")}
            self._columns = {
                name: dict(zip(hourly["time"], hourly[name], strict=True)) for name in VARIABLES if name in hourly
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TerminalError(
                f"{path} contains no answer of the Open-Meteo archive API ({error!r}); name another file"
            ) from error
        if self._head.get("utc_offset_seconds") != 0:
            raise TerminalError(f"{path} is not in GMT; request it again from the API with timezone=GMT")

    def _build_answer(self, request: ArchiveRequest, hours: Hours) -> dict[str, Any]:
        axis = _format_hours(hours)
        stored = [name for name in request.variables if name in self._columns]
        columns = {name: [self._columns[name].get(hour) for hour in axis] for name in stored}
        return _build_body(self._place, hours, columns)


class WeatherSample(SampleSource):
    """The archive API in the sample, at `/v1/archive`; it has no files.

    Args:
        api: Answers its requests.
    """

    name = "weather"
    url_variable = "WEATHER_BASE_URL"

    def __init__(self, api: WeatherAnswerer) -> None:
        self.api = api

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """See `SampleSource.write_files`."""

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """See `SampleSource.of_sample`."""
        return cls(GeneratedWeather(spec.seed))

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        """See `SampleSource.of_stored`: a file with an answer of the archive API."""
        return cls(StoredWeather(path))

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        """See `SampleSource.answer`."""
        return make_json_response(*self.api.answer(query)) if path == "/v1/archive" else None
