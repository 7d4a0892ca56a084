"""Sample weather: a deterministic function of seed and hour, answered in the shape of Open-Meteo's archive API.

The words of the errors and the bounds of the weather codes are those of the API's public source (open-meteo/open-meteo:
`ForecastapiQuery.swift`, `Time.swift`, `WeatherCode.swift`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data_stack.errors import TerminalError
from dlt_pipeline.sample.draw import Floats, Hours, Stream, smooth, uniform

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

# cm of fresh snow that one mm of water makes: the API's 7 to 10
SNOW_CM_PER_MM = 0.7
# share of the hours in which one variable is null
GAP_SHARE = 0.0007

_EPOCH = date(1970, 1, 1)
_RAIN_SLOT_HOURS = 36
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


class WeatherAnswerer(Protocol):
    """Whatever answers `/v1/archive`."""

    def answer(self, params: Mapping[str, str]) -> Answer:
        """HTTP status and JSON body for the query's parameters."""
        ...


class RequestError(Exception):
    """A request that the API refuses; the text is its `reason`."""


# -- the weather itself ---------------------------------------------------------------------------------------------


def hours_since_epoch(first: date, last: date) -> Hours:
    """Every hour, UTC, of the days from `first` to `last`, both included, as hours since 1970."""
    start, stop = (first - _EPOCH).days * 24, ((last - _EPOCH).days + 1) * 24
    return np.arange(start, stop, dtype=np.int64)


def hourly_weather(seed: int, hours: Hours) -> dict[str, Floats]:
    """The true weather, without the gaps of the API.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC; any, in any order.

    Returns:
        One array a variable of `VARIABLES`, in the units of `UNITS`; precipitation = rain + snowfall / 0.7 holds
        in tenths of a millimetre.
    """
    water = _water(seed, hours)
    cloud = np.where(water > 0, 1.0, np.clip(0.5 + 0.5 * smooth(seed, Stream.CLOUD, hours, 14), 0, 1))
    temperature = np.round(_temperature(seed, hours, cloud), 1)
    wind = _wind(seed, hours, water)
    humidity = _humidity(seed, hours, water)
    tenths = np.round(water * 10)
    snow_tenths = np.round(tenths * np.clip(1 - temperature / 1.5, 0, 1))
    snowfall = np.round(snow_tenths * SNOW_CM_PER_MM / 10, 2)
    precipitation = tenths / 10
    return {
        "temperature_2m": temperature,
        "relative_humidity_2m": humidity,
        "apparent_temperature": _apparent(temperature, humidity, wind),
        "precipitation": precipitation,
        "rain": (tenths - snow_tenths) / 10,
        "snowfall": snowfall,
        "wind_speed_10m": wind,
        "weather_code": _codes(precipitation, snowfall, cloud),
    }


def gaps(seed: int, hours: Hours) -> dict[str, np.ndarray]:
    """Hours in which the API answers null for a variable: a mask a variable, at most one variable an hour.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC.
    """
    happens = uniform(seed, Stream.GAP_HAPPENS, hours) < GAP_SHARE
    which = np.floor(uniform(seed, Stream.GAP_VARIABLE, hours) * len(VARIABLES))
    return {variable: happens & (which == index) for index, variable in enumerate(VARIABLES)}


def _water(seed: int, hours: Hours) -> Floats:
    """Precipitation, mm in the hour: events of a start, a length and a peak; one may happen in each 36 hours."""
    total = np.zeros(len(hours))
    for back in (0, 1):
        slot = hours // _RAIN_SLOT_HOURS - back
        start = (slot + uniform(seed, Stream.RAIN_START, slot)) * _RAIN_SLOT_HOURS
        length = 2 + 14 * uniform(seed, Stream.RAIN_LENGTH, slot) ** 1.6
        peak = 0.15 - 1.9 * np.log(1 - uniform(seed, Stream.RAIN_PEAK, slot))
        share = (hours + 0.5 - start) / length
        falls = (uniform(seed, Stream.RAIN_HAPPENS, slot) < 0.48) & (share >= 0) & (share < 1)
        total += np.where(falls, peak * np.sin(np.pi * np.clip(share, 0, 1)), 0)
    return np.asarray(np.round(total * (0.5 + uniform(seed, Stream.RAIN_HOUR, hours)), 1), np.float64)


def _temperature(seed: int, hours: Hours, cloud: Floats) -> Floats:
    """Celsius: the season, the hour of the sun (New York's noon is at 16:56 UTC), fronts of some days, gusts."""
    season = 2 * np.pi * (hours / 24 - 20) / 365.2425
    sun = 2 * np.pi * (hours - 4.93 - 15) / 24
    swing = (4.2 - 1.2 * np.cos(season)) * (1 - 0.55 * cloud)
    fronts = 4.8 * smooth(seed, Stream.FRONT, hours, 80) + 0.9 * smooth(seed, Stream.GUST, hours, 6)
    return np.asarray(13.2 - 11.8 * np.cos(season) + swing * np.cos(sun) + fronts, np.float64)


def _wind(seed: int, hours: Hours, water: Floats) -> Floats:
    speed = 13 + 8 * smooth(seed, Stream.WIND, hours, 9) + 1.5 * np.sqrt(water)
    return np.asarray(np.round(np.maximum(speed, 0.4), 1), np.float64)


def _humidity(seed: int, hours: Hours, water: Floats) -> Floats:
    sun = 2 * np.pi * (hours - 4.93 - 15) / 24
    wet = np.where(water > 0, 20 + np.minimum(water, 5), 0)
    percent = 64 - 11 * np.cos(sun) + 8 * smooth(seed, Stream.HUMIDITY, hours, 20) + wet
    return np.asarray(np.round(np.clip(percent, 15, 100)), np.float64)


def _apparent(temperature: Floats, humidity: Floats, wind: Floats) -> Floats:
    """Steadman's apparent temperature in the shade: vapour pressure in hPa, wind in m/s."""
    vapour = humidity / 100 * 6.105 * np.exp(17.27 * temperature / (237.7 + temperature))
    return np.asarray(np.round(temperature + 0.33 * vapour - 0.7 * wind / 3.6 - 4, 1), np.float64)


def _codes(precipitation: Floats, snowfall: Floats, cloud: Floats) -> Floats:
    """WMO 4677 codes by the API's bounds: snow by cm, drizzle and rain by mm, else cloud cover."""
    clear = np.digitize(cloud, [0.2, 0.5, 0.8])
    wet = np.array([51, 53, 55, 61, 63, 65])[np.digitize(precipitation, [0.5, 1.0, 1.3, 2.5, 7.6])]
    snow = np.array([71, 73, 75])[np.digitize(snowfall, [0.2, 0.8])]
    return np.asarray(np.where(snowfall > 0, snow, np.where(precipitation > 0, wet, clear)), np.float64)


# -- the API --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArchiveRequest:
    """The parameters of `/v1/archive` that the sample knows, checked.

    Attributes:
        latitude: Degrees, as asked.
        longitude: Degrees, as asked.
        first: First day, GMT.
        last: Last day, GMT, included.
        variables: Hourly variables, in the order asked.
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
            last_day: The last day the archive has.

        Raises:
            RequestError: With the API's words.
        """
        for name, (value, kind) in _ONLY_VALUES.items():
            if params.get(name, value) != value:
                raise RequestError(_cannot_initialise(kind, params[name]))
        variables = _variables(params.get("hourly", ""))
        first, last = _days(params, last_day)
        latitude, longitude = _place(params)
        _check_timezone(params.get("timezone", "GMT"))
        return cls(latitude, longitude, first, last, variables)


def _cannot_initialise(kind: str, value: str) -> str:
    return f"Data corrupted at path ''. Cannot initialize {kind} from invalid String value {value}."


def _variables(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in UNITS:
            raise RequestError(_cannot_initialise(_VARIABLE_KIND, name))
    return names


def _days(params: Mapping[str, str], last_day: date) -> tuple[date, date]:
    if not params.get("start_date") or not params.get("end_date"):
        raise RequestError("Both 'start_date' and 'end_date' must be set in the url")
    first, last = _day(params["start_date"]), _day(params["end_date"])
    if last < first:
        raise RequestError("End-date must be larger or equals than start-date")
    for name, day in (("start_date", first), ("end_date", last)):
        if not FIRST_DAY <= day <= last_day:
            raise RequestError(f"Parameter '{name}' is out of allowed range from {FIRST_DAY} to {last_day}")
    return first, last


def _day(text: str) -> date:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise RequestError("Invalid date format. Make sure to use 'YYYY-MM-DD'")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError("Invalid date") from None


def _place(params: Mapping[str, str]) -> tuple[float, float]:
    texts = [params.get("latitude", ""), params.get("longitude", "")]
    if not any(texts):
        raise RequestError("Parameter 'latitude' and 'longitude' must not be empty")
    if not all(texts):
        raise RequestError("Parameter 'latitude' and 'longitude' must have the same number of elements")
    latitude, longitude = (_degrees(text) for text in texts)
    if not abs(latitude) <= 90:
        raise RequestError(f"Latitude must be in range of -90 to 90°. Given: {latitude}.")
    if not abs(longitude) <= 180:
        raise RequestError(f"Longitude must be in range of -180 to 180°. Given: {longitude}.")
    return latitude, longitude


def _degrees(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(_cannot_initialise("Float", text)) from None


def _check_timezone(name: str) -> None:
    """The sample has only GMT: an answer in another zone would be wrong without a word."""
    if name not in ("GMT", "UTC"):
        raise RequestError("Invalid timezone" if "/" not in name else "This API does not yet support timezones")


def _error(error: RequestError) -> Answer:
    return 400, {"error": True, "reason": str(error)}


def _time_axis(hours: Hours) -> list[str]:
    texts: list[str] = np.datetime_as_string(hours.astype("datetime64[h]"), unit="m").tolist()
    return texts


def _body(head: Mapping[str, Any], hours: Hours, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The answer's JSON; without an hourly variable the API leaves both `hourly` members out."""
    body = {"generationtime_ms": round(0.05 + 0.00002 * len(hours) * len(columns), 3), "utc_offset_seconds": 0}
    answer = {"latitude": head["latitude"], "longitude": head["longitude"], **body}
    answer |= {"timezone": "GMT", "timezone_abbreviation": "GMT", "elevation": head["elevation"]}
    if columns:
        answer["hourly_units"] = {"time": "iso8601", **{name: UNITS[name] for name in columns}}
        answer["hourly"] = {"time": _time_axis(hours), **columns}
    return answer


def _today() -> date:
    return datetime.now(UTC).date()


class SampleWeather:
    """The archive API over the sample's weather.

    Args:
        seed: The sample's seed.
        last_day: The last day it answers for; today, as the API does, if left out.
    """

    def __init__(self, seed: int, last_day: date | None = None) -> None:
        self.seed = seed
        self.last_day = last_day

    def answer(self, params: Mapping[str, str]) -> Answer:
        """HTTP status and JSON body for the parameters of `/v1/archive`."""
        try:
            request = ArchiveRequest.parse(params, self.last_day or _today())
        except RequestError as error:
            return _error(error)
        hours = hours_since_epoch(request.first, request.last)
        weather, missing = hourly_weather(self.seed, hours), gaps(self.seed, hours)
        columns = {name: _with_gaps(name, weather[name], missing[name]) for name in request.variables}
        # a grid of a tenth of a degree; + 0.0 turns -0.0 into 0.0
        head = {name: round(getattr(request, name), 1) + 0.0 for name in ("latitude", "longitude")}
        return 200, _body({**head, "elevation": 7.0}, hours, columns)


def _with_gaps(name: str, values: Floats, missing: np.ndarray) -> list[Any]:
    column: list[Any] = (values.astype(np.int64) if name in _INTEGERS else values).tolist()
    for index in np.flatnonzero(missing):
        column[index] = None
    return column


class StoredWeather:
    """The archive API over one stored answer of it: hours the file has not are null, variables it lacks are left out.

    Args:
        path: A JSON file in the API's shape, asked for in GMT.
        last_day: The last day it answers for; today if left out.

    Raises:
        TerminalError: The file is missing or not in that shape.
    """

    def __init__(self, path: Path, last_day: date | None = None) -> None:
        self.last_day = last_day
        try:
            self._head = json.loads(path.read_text(encoding="utf-8"))
            hourly = self._head["hourly"]
            self._place = {name: float(self._head[name]) for name in ("latitude", "longitude", "elevation")}
            self._columns = {
                name: dict(zip(hourly["time"], hourly[name], strict=True)) for name in VARIABLES if name in hourly
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TerminalError(
                f"{path} holds no answer of the Open-Meteo archive API ({error!r}); name a file that does"
            ) from error
        if self._head.get("utc_offset_seconds") != 0:
            raise TerminalError(f"{path} is not in GMT; ask the API again with timezone=GMT")

    def answer(self, params: Mapping[str, str]) -> Answer:
        """HTTP status and JSON body for the parameters of `/v1/archive`."""
        try:
            request = ArchiveRequest.parse(params, self.last_day or _today())
        except RequestError as error:
            return _error(error)
        hours = hours_since_epoch(request.first, request.last)
        axis = _time_axis(hours)
        known = [name for name in request.variables if name in self._columns]
        columns = {name: [self._columns[name].get(hour) for hour in axis] for name in known}
        return 200, _body(self._place, hours, columns)
