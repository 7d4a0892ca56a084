"""The weather source against an archive API on loopback: requested hours, missing values, refused answers."""

import json
from datetime import datetime
from typing import Any

import pytest
from ingestion import column, load, raw, stage_source
from providers import Serve
from raw_builder import pass_loads
from sources.weather.provider import FixedWeather

from data_stack.errors import TerminalError, TransientError
from data_stack.loads import find_present_loads
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings
from dlt_pipeline.sample.provider import Fault, SampleProvider
from dlt_pipeline.sample.source import Response
from dlt_pipeline.sample.weather import WeatherSample


def asked(provider: SampleProvider) -> list[tuple[str, str]]:
    """First and last day of every request to the archive."""
    return [(r.query["start_date"], r.query["end_date"]) for r in provider.requests if r.path == "/weather/v1/archive"]


def test_the_request_covers_the_new_york_days_in_gmt(settings: Settings, serve: Serve) -> None:
    provider = serve()
    with stage_source(settings, "weather", "2024-03-01", "2024-03-31") as (stage, counts):
        assert counts.loaded == 32 * 24
        assert stage.query("select min(hour_utc), max(hour_utc) from hours") == [
            (datetime(2024, 3, 1), datetime(2024, 4, 1, 23))
        ]
    (request,) = provider.requests
    assert asked(provider) == [("2024-03-01", "2024-04-01")]
    assert (request.query["timezone"], request.query["latitude"], request.query["longitude"]) == (
        "GMT",
        "40.7282",
        "-74.0776",
    )
    assert request.query["hourly"].split(",") == [
        "temperature_2m", "relative_humidity_2m", "apparent_temperature", "precipitation",
        "rain", "snowfall", "wind_speed_10m", "weather_code",
    ]  # fmt: skip


@pytest.mark.integration
def test_values_and_place_arrive_as_answered(settings: Settings, serve: Serve) -> None:
    override = {("precipitation", "2024-01-02T07:00"): 1.25, ("weather_code", "2024-01-02T07:00"): 61}
    serve(WeatherSample(FixedWeather(override)))
    load(settings, "weather")
    assert raw(
        settings,
        "weather",
        "select place_id, latitude, longitude, grid_latitude, elevation, temperature_2m, precipitation, weather_code"
        " from raw.hours where hour_utc = '2024-01-02 07:00'",
    ) == [("40.7282,-74.0776", 40.7282, -74.0776, 40.74, 5.0, 7.0, 1.25, 61)]


def test_missing_values_stay_null(settings: Settings, serve: Serve) -> None:
    left_out = ["rain", "snowfall", "wind_speed_10m"]
    serve(WeatherSample(FixedWeather({("temperature_2m", "2024-01-05T12:00"): None}, left_out)))
    with stage_source(settings, "weather") as (stage, _):
        assert stage.query("select count(rain), count(snowfall), count(wind_speed_10m) from hours") == [(0, 0, 0)]
        assert stage.query("select hour_utc from hours where temperature_2m is null") == [(datetime(2024, 1, 5, 12),)]


@pytest.mark.integration
def test_a_second_run_asks_for_nothing(settings: Settings, serve: Serve) -> None:
    provider = serve()
    load(settings, "weather")
    provider.requests.clear()
    assert load(settings, "weather").load_id is None
    assert provider.requests == []


@pytest.mark.integration
def test_only_missing_hours_and_two_days_of_overlap_are_asked_for(settings: Settings, serve: Serve) -> None:
    provider = serve()
    load(settings, "weather")
    load(settings, "weather", "2024-01-01", "2024-02-29")
    assert asked(provider) == [("2024-01-01", "2024-02-01"), ("2024-01-31", "2024-03-01")]
    assert raw(settings, "weather", "select count(*), count(distinct hour_utc) from raw.hours") == [(61 * 24, 61 * 24)]


@pytest.mark.slow
def test_hours_that_were_not_out_yet_are_asked_for_again(settings: Settings, serve: Serve) -> None:
    late = {(name, f"2024-02-01T{hour:02}:00"): None for hour in range(24) for name in (
        "temperature_2m", "relative_humidity_2m", "apparent_temperature", "precipitation", "rain", "snowfall",
        "wind_speed_10m", "weather_code")}  # fmt: skip
    weather = FixedWeather(late)
    provider = serve(WeatherSample(weather))
    load(settings, "weather")
    weather.override.clear()
    report = load(settings, "weather")
    assert (report.counts.read, report.counts.loaded, report.counts.repeated) == (72, 24, 48)
    pass_loads(settings, ["weather"])
    assert asked(provider)[1] == ("2024-01-30", "2024-02-01")
    assert column(settings, "weather", "select count(*) from raw.hours where temperature_2m is null") == [0]


def test_the_apis_own_reason_reaches_the_user(settings: Settings, serve: Serve) -> None:
    body = b'{"error": true, "reason": "Parameter \'end_date\' is out of allowed range"}'
    serve(faults=lambda *_: Fault(Response(400, body, "application/json")))
    with pytest.raises(TerminalError, match=r"refuses the request: Parameter 'end_date' is out of allowed range"):
        load(settings, "weather")


FAULTS = {
    "busy": Fault.status(429),
    "limit": Fault(Response(429, b'{"error": true, "reason": "Minutely limit exceeded"}', "application/json")),
    "broken": Fault.status(500),
    "bad JSON": Fault.bad_json(),
    "a page": Fault.page(),
    "truncated": Fault.cut(300),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.integration
def test_a_fault_that_passes_is_retried_and_one_that_stays_is_an_error(
    settings: Settings, serve: Serve, fault: Fault
) -> None:
    provider = serve(faults=lambda _path, _query, attempt: fault if attempt <= 3 else None)
    with pytest.raises(TransientError, match=r"3 attempts"):
        load(settings, "weather")
    assert raw(settings, "weather", "select 1") == []
    provider._attempts.clear()
    provider.faults = lambda _path, _query, attempt: fault if attempt <= 2 else None
    with stage_source(settings, "weather") as (_, counts):
        assert counts.loaded == 32 * 24


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"latitude": 1}', "has no hours"),
        (b'{"hourly": {"time": []}}', "has no hours"),
        (b'{"hourly": {"time": ["2024-01-01T00:00"], "rain": [1, 2]}}', "differ in length"),
    ],
)
def test_an_answer_of_another_shape_is_an_error(settings: Settings, serve: Serve, body: bytes, message: str) -> None:
    serve(faults=lambda *_: Fault(Response(200, body, "application/json")))
    with pytest.raises(TerminalError, match=message):
        load(settings, "weather")


@pytest.mark.parametrize(("variable", "value", "reason"), [
    ("rain", "much", "rain is not a number"),
    ("weather_code", 3.5, "weather_code is not a whole number"),
    ("temperature_2m", True, "temperature_2m is not a number"),
])  # fmt: skip
def test_an_hour_that_does_not_parse_is_rejected(
    settings: Settings, serve: Serve, variable: str, value: Any, reason: str
) -> None:
    serve(WeatherSample(FixedWeather({(variable, "2024-01-03T05:00"): value})))
    with stage_source(settings, "weather") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (768, 767, 1)
        assert stage.query("select source_line, reason from rejects") == [(2 * 24 + 6, reason)]


@pytest.mark.slow
def test_hours_of_a_load_that_failed_its_gate_are_asked_for_again(settings: Settings, serve: Serve) -> None:
    weather = FixedWeather({("temperature_2m", "2024-01-05T12:00"): 100})
    provider = serve(WeatherSample(weather))
    report = load(settings, "weather")
    Ops(settings).decide_load("weather", str(report.load_id), "failed")
    assert load(settings, "weather").load_id is None, "the same answer is no new load"
    weather.override.clear()
    corrected = load(settings, "weather")
    assert asked(provider) == [("2024-01-01", "2024-02-01")] * 3
    assert (corrected.counts.loaded, corrected.counts.repeated) == (1, 767)
    assert find_present_loads(settings, get_source("weather")) == [report.load_id, corrected.load_id]
    pass_loads(settings, ["weather"])
    assert raw(settings, "weather", "select count(*), max(temperature_2m) from raw.hours") == [(768, 23)]


@pytest.mark.integration
def test_an_answer_that_is_too_short_is_reported(settings: Settings, serve: Serve) -> None:
    body = {"hourly": {"time": ["2024-01-01T05:00", "2024-01-01T06:00"], "temperature_2m": [1, 2]}}
    serve(faults=lambda *_: Fault(Response(200, json.dumps(body).encode(), "application/json")))
    assert (
        load(settings, "weather").note == "the provider answered 2 of the 768 hours of archive 2024-01-01..2024-02-01"
    )


@pytest.mark.integration
def test_another_place_is_refused(settings: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    load(settings, "weather")
    monkeypatch.setenv("WEATHER_LATITUDE", "51.5")
    with pytest.raises(TerminalError, match=r"contains sample data of 40\.7282.*51\.5,-74\.0776.*reset weather"):
        load(settings, "weather", "2024-02-01", "2024-02-29")
