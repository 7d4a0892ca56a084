"""The sample's weather: values that fit each other, and the API's format and messages."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from data_stack.errors import TerminalError
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec
from dlt_pipeline.sample.weather import (
    UNITS,
    VARIABLES,
    GeneratedWeather,
    StoredWeather,
    WeatherSample,
    generate_gaps,
    generate_weather,
    list_hours,
)

SEED = 2024
LAST_DAY = date(2024, 12, 31)
YEAR = list_hours(date(2024, 1, 1), LAST_DAY)
PARAMS = {
    "latitude": "40.7282",
    "longitude": "-74.0776",
    "start_date": "2024-01-30",
    "end_date": "2024-02-01",
    "hourly": ",".join(VARIABLES),
    "timezone": "GMT",
}


def ask(**changes: str | None) -> tuple[int, dict[str, Any]]:
    params = {name: value for name, value in {**PARAMS, **changes}.items() if value is not None}
    return GeneratedWeather(SEED, LAST_DAY).answer(params)


def test_precipitation_is_rain_plus_water_of_snow() -> None:
    weather = generate_weather(SEED, YEAR)
    water = weather["rain"] + weather["snowfall"] / 0.7
    assert np.abs(weather["precipitation"] - water).max() < 1e-9
    assert 0.03 < (weather["precipitation"] > 0).mean() < 0.15
    assert 700 < weather["precipitation"].sum() < 1500


def test_snow_falls_only_when_cold_and_rain_only_when_not() -> None:
    weather = generate_weather(SEED, YEAR)
    assert weather["temperature_2m"][weather["snowfall"] > 0].max() < 1.5
    assert weather["temperature_2m"][weather["rain"] > 0].min() > 0
    assert weather["snowfall"].sum() > 10


def test_codes_agree_with_precipitation() -> None:
    weather = generate_weather(SEED, YEAR)
    code, rain, snow = weather["weather_code"], weather["precipitation"], weather["snowfall"]
    assert set(code[rain == 0]) == {0, 1, 2, 3}
    assert set(code[snow > 0]) == {71, 73, 75}
    assert set(code[(rain > 0) & (snow == 0)]) <= {51, 53, 55, 61, 63, 65}
    assert rain[code == 61].min() >= 1.3 and rain[code == 61].max() < 2.5
    assert snow[code == 75].min() >= 0.8


def test_seasons_days_and_ranges_are_new_yorks() -> None:
    weather = generate_weather(SEED, YEAR)
    temperature = weather["temperature_2m"]
    months = YEAR.astype("datetime64[h]").astype("datetime64[M]").astype(int) % 12
    assert temperature[months == 6].mean() > temperature[months == 0].mean() + 15
    assert temperature[YEAR % 24 == 20].mean() > temperature[YEAR % 24 == 10].mean() + 4
    assert weather["relative_humidity_2m"].min() >= 15 and weather["relative_humidity_2m"].max() <= 100
    assert weather["wind_speed_10m"].min() > 0
    assert np.abs(np.diff(temperature)).max() < 6


def test_an_hour_is_the_same_whatever_range_is_asked_for() -> None:
    part = generate_weather(SEED, YEAR[5000:5100])
    whole = generate_weather(SEED, YEAR)
    assert all(np.array_equal(part[name], whole[name][5000:5100]) for name in VARIABLES)
    assert not np.array_equal(whole["temperature_2m"], generate_weather(SEED + 1, YEAR)["temperature_2m"])


def test_answer_has_the_apis_shape() -> None:
    status, body = ask()
    assert status == 200
    assert (body["latitude"], body["longitude"]) == (40.7, -74.1)
    assert (body["timezone"], body["timezone_abbreviation"], body["utc_offset_seconds"]) == ("GMT", "GMT", 0)
    assert list(body["hourly"]) == ["time", *VARIABLES]
    assert body["hourly_units"] == {"time": "iso8601", **UNITS}
    assert body["hourly"]["time"][0] == "2024-01-30T00:00" and body["hourly"]["time"][-1] == "2024-02-01T23:00"
    assert {len(column) for column in body["hourly"].values()} == {72}
    assert all(type(code) is int for code in body["hourly"]["weather_code"] if code is not None)


def test_without_hourly_variables_the_answer_has_none() -> None:
    status, body = ask(hourly=None)
    assert status == 200
    assert "hourly" not in body and "hourly_units" not in body


def test_few_hours_answer_null_for_one_variable() -> None:
    status, body = ask(start_date="2024-01-01", end_date="2024-12-31")
    nulls = {name: [i for i, value in enumerate(body["hourly"][name]) if value is None] for name in VARIABLES}
    expected = {name: np.flatnonzero(mask).tolist() for name, mask in generate_gaps(SEED, YEAR).items()}
    assert status == 200
    assert nulls == expected
    hours = [hour for column in nulls.values() for hour in column]
    assert 1 <= len(hours) == len(set(hours)) <= 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latitude": None}, "Parameter 'latitude' and 'longitude' must have the same number of elements"),
        ({"latitude": None, "longitude": None}, "Parameter 'latitude' and 'longitude' must not be empty"),
        ({"latitude": "91"}, "Latitude must be in range of -90 to 90°. Given: 91.0."),
        ({"longitude": "nan"}, "Longitude must be in range of -180 to 180°. Given: nan."),
        ({"latitude": "abc"}, "Data corrupted at path ''. Cannot initialize Float from invalid String value abc."),
        ({"start_date": None}, "Both 'start_date' and 'end_date' must be set in the url"),
        ({"start_date": "30.01.2024"}, "Invalid date format. Make sure to use 'YYYY-MM-DD'"),
        ({"start_date": "2024-02-30"}, "Invalid date"),
        ({"end_date": "2024-01-29"}, "End-date must be larger or equals than start-date"),
        (
            {"start_date": "1939-12-31"},
            "Parameter 'start_date' is out of allowed range from 1940-01-01 to 2024-12-31",
        ),
        ({"end_date": "2025-01-01"}, "Parameter 'end_date' is out of allowed range from 1940-01-01 to 2024-12-31"),
        ({"timezone": "Nowhere"}, "Invalid timezone"),
        ({"timezone": "America/New_York"}, "This API does not yet support timezones"),
        (
            {"temperature_unit": "kelvin"},
            "Data corrupted at path ''. Cannot initialize TemperatureUnit from invalid String value kelvin.",
        ),
    ],
)
def test_bad_requests_get_the_apis_reason(changes: dict[str, str | None], reason: str) -> None:
    assert ask(**changes) == (400, {"error": True, "reason": reason})


def test_unknown_variable_is_named() -> None:
    status, body = ask(hourly="temperature_2m,sunshine")
    assert status == 400 and body["error"] is True
    assert body["reason"].endswith("from invalid String value sunshine.")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "archive.json"
    hourly = {"time": ["2024-01-01T23:00", "2024-01-02T00:00"], "temperature_2m": [1.5, None], "rain": [0.0, 0.2]}
    place = {"latitude": 40.738136, "longitude": -74.04254, "elevation": 51.0, "utc_offset_seconds": 0}
    path.write_text(json.dumps({**place, "hourly": hourly}), encoding="utf-8")
    return path


def test_stored_answer_fills_the_axis_and_omits_missing_variables(stored: Path) -> None:
    params = {**PARAMS, "start_date": "2024-01-01", "end_date": "2024-01-02"}
    status, body = StoredWeather(stored, LAST_DAY).answer(params)
    assert status == 200
    assert (body["latitude"], body["elevation"]) == (40.738136, 51.0)
    assert list(body["hourly"]) == list(body["hourly_units"]) == ["time", "temperature_2m", "rain"]
    assert (
        body["hourly"]["time"][23:25] == ["2024-01-01T23:00", "2024-01-02T00:00"] and len(body["hourly"]["time"]) == 48
    )
    assert body["hourly"]["temperature_2m"] == [None] * 23 + [1.5] + [None] * 24
    assert body["hourly"]["rain"] == [None] * 23 + [0.0, 0.2] + [None] * 23


def test_stored_answer_refuses_unknown_variables_too(stored: Path) -> None:
    status, body = StoredWeather(stored, LAST_DAY).answer({**PARAMS, "hourly": "sunshine"})
    assert (status, body["error"]) == (400, True)


@pytest.mark.parametrize("text", ["<html>", "{}", '{"hourly": {"time": []}}', "[]"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TerminalError, match="x.json contains no answer of the Open-Meteo archive API"):
        StoredWeather(path)


def test_a_file_in_local_time_is_refused(stored: Path) -> None:
    stored.write_text(stored.read_text().replace('"utc_offset_seconds": 0', '"utc_offset_seconds": -18000'))
    with pytest.raises(TerminalError, match="not in GMT"):
        StoredWeather(stored)


# -- the API, served ------------------------------------------------------------------------------------------------


def test_the_archive_is_served_at_its_path(tmp_path: Path) -> None:
    with SampleProvider([WeatherSample(GeneratedWeather(SEED, LAST_DAY))]) as provider:
        url = f"{provider.environment['WEATHER_BASE_URL']}/v1/archive"
        answer = requests.get(url, PARAMS, timeout=5)
        variables = "&".join(f"hourly={name}" for name in VARIABLES)
        repeated = requests.get(f"{url}?{variables}", {**PARAMS, "hourly": []}, timeout=5)
        bad = requests.get(url, {**PARAMS, "end_date": "2023-01-01"}, timeout=5)
        forecast = requests.get(url.replace("archive", "forecast"), PARAMS, timeout=5)
    assert (answer.status_code, answer.json()) == ask()
    assert repeated.json() == answer.json()
    reason = {"error": True, "reason": "End-date must be larger or equals than start-date"}
    assert (bad.status_code, bad.json()) == (400, reason)
    assert forecast.status_code == 404


def test_the_sample_and_stored_answers_are_served(tmp_path: Path, stored: Path) -> None:
    query = {**PARAMS, "start_date": "2024-01-01", "end_date": "2024-01-02"}
    generated = WeatherSample.of_sample(tmp_path, SampleSpec(seed=5)).answer("/v1/archive", query)
    real = WeatherSample.of_stored(stored).answer("/v1/archive", query)
    assert generated and real
    assert json.loads(generated.body) == GeneratedWeather(5).answer(query)[1] != ask(**query)[1]
    assert json.loads(real.body)["hourly"]["temperature_2m"][23] == 1.5
