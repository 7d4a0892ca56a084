"""The loopback provider: the bucket's and the API's true answers, and faults on demand."""

import hashlib
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from data_stack.errors import TerminalError
from dlt_pipeline.sample.provider import Fault, Request, SampleProvider
from dlt_pipeline.sample.spec import SampleSpec, generate
from dlt_pipeline.sample.weather import SampleWeather

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
WEATHER = SampleWeather(2024, date(2024, 12, 31))
KEYS = ["2019-a.zip", "JC-201708 b & c.zip", "JC-202401.zip", "JC-202402.zip", "JC-202403.zip"]
ARCHIVE = {
    "latitude": "40.7",
    "longitude": "-74",
    "start_date": "2024-01-01",
    "end_date": "2024-01-02",
    "hourly": "rain,snowfall",
}


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    for number, key in enumerate(KEYS):
        (tmp_path / key).write_bytes(key.encode() * (number + 1))
    (tmp_path / ".hidden").write_text("not an object")
    return tmp_path


@pytest.fixture
def provider(bucket: Path) -> Iterator[SampleProvider]:
    with SampleProvider(bucket, WEATHER, page_size=2) as running:
        yield running


def get(url: str, **query: str) -> requests.Response:
    return requests.get(url, params=query, timeout=5)


def page(response: requests.Response) -> dict[str, list[str]]:
    """Values by tag of a listing."""
    assert response.status_code == 200 and response.headers["Content-Type"] == "application/xml"
    values: dict[str, list[str]] = {}
    for element in ET.fromstring(response.content).iter():
        assert element.tag.startswith(NAMESPACE)
        values.setdefault(element.tag.removeprefix(NAMESPACE), []).append(element.text or "")
    return values


def test_listing_v2_pages_through_every_key(provider: SampleProvider) -> None:
    keys: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        values = page(get(provider.bike_base_url, **{"list-type": "2", "prefix": "", **token}))
        keys += values["Key"]
        token = {"continuation-token": values.get("NextContinuationToken", [""])[0]}
    assert keys == KEYS
    assert values["IsTruncated"] == ["false"] and "NextContinuationToken" not in values
    assert values["KeyCount"] == ["1"] and values["Name"] == ["tripdata"]


def test_listing_v1_goes_on_after_the_marker(provider: SampleProvider) -> None:
    first = page(get(f"{provider.bike_base_url}/"))
    second = page(get(f"{provider.bike_base_url}/", marker=first["Key"][-1]))
    assert first["Key"] == KEYS[:2] and first["IsTruncated"] == ["true"]
    assert second["Key"] == KEYS[2:4]
    assert "KeyCount" not in first


def test_listing_names_size_etag_and_time(provider: SampleProvider, bucket: Path) -> None:
    values = page(get(provider.bike_base_url, **{"list-type": "2", "prefix": "JC-2017"}))
    content = (bucket / KEYS[1]).read_bytes()
    assert values["Key"] == [KEYS[1]]
    assert values["Size"] == [str(len(content))]
    assert values["ETag"] == [f'"{hashlib.md5(content).hexdigest()}"']
    assert values["LastModified"][0].endswith(".000Z")


def test_listing_with_other_parameters(provider: SampleProvider) -> None:
    quoted = page(get(provider.bike_base_url, **{"list-type": "2", "encoding-type": "url", "prefix": "JC-2017"}))
    assert quoted["Key"] == ["JC-201708%20b%20%26%20c.zip"]
    one = page(get(provider.bike_base_url, **{"list-type": "2", "max-keys": "1", "start-after": "JC-202401.zip"}))
    assert one["Key"] == ["JC-202402.zip"]
    assert get(provider.bike_base_url, **{"list-type": "2", "max-keys": "x"}).status_code == 400
    assert "Key" not in page(get(provider.bike_base_url, prefix="nothing"))
    full = page(get(provider.bike_base_url, **{"list-type": "2", "start-after": "JC-202401.zip"}))
    assert full["Key"] == KEYS[3:] and full["IsTruncated"] == ["false"]


def test_objects_carry_length_etag_and_origin(provider: SampleProvider, bucket: Path) -> None:
    url = f"{provider.bike_base_url}/JC-201708%20b%20%26%20c.zip"
    content = (bucket / KEYS[1]).read_bytes()
    for response in (get(url), requests.head(url, timeout=5)):
        assert response.status_code == 200
        assert response.headers["Content-Length"] == str(len(content))
        assert response.headers["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
        assert response.headers["Last-Modified"].endswith("GMT")
        assert response.headers["X-Data-Stack-Origin"] == "sample"
    assert get(url).content == content
    assert requests.head(url, timeout=5).content == b""


def test_a_changed_file_gets_another_etag(provider: SampleProvider, bucket: Path) -> None:
    url = f"{provider.bike_base_url}/{KEYS[0]}"
    before = get(url).headers["ETag"]
    (bucket / KEYS[0]).write_bytes(b"corrected")
    assert get(url).headers["ETag"] == f'"{hashlib.md5(b"corrected").hexdigest()}"' != before


@pytest.mark.parametrize("key", ["JC-999999.zip", ".hidden", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a<b"])
def test_what_is_no_object_is_not_found(provider: SampleProvider, key: str) -> None:
    response = get(f"{provider.bike_base_url}/{key}")
    assert response.status_code == 404
    assert ET.fromstring(response.content).findtext("Code") == "NoSuchKey"


def test_archive_answers_as_the_answerer(provider: SampleProvider) -> None:
    response = get(f"{provider.weather_base_url}/v1/archive", **ARCHIVE)
    assert response.status_code == 200
    assert response.json() == WEATHER.answer(ARCHIVE)[1]
    repeated = requests.get(
        f"{provider.weather_base_url}/v1/archive?hourly=rain&hourly=snowfall",
        params={**ARCHIVE, "hourly": []},
        timeout=5,
    )
    assert repeated.json() == response.json()


def test_archive_errors_are_400_and_unknown_paths_404(provider: SampleProvider) -> None:
    bad = get(f"{provider.weather_base_url}/v1/archive", **{**ARCHIVE, "end_date": "2023-01-01"})
    assert bad.status_code == 400
    assert bad.json() == {"error": True, "reason": "End-date must be larger or equals than start-date"}
    missing = get(f"{provider.weather_base_url}/v1/forecast")
    assert (missing.status_code, missing.json()) == (404, {"error": True, "reason": "Not Found"})


def test_without_origin_no_answer_says_sample(bucket: Path) -> None:
    with SampleProvider(bucket, WEATHER, origin=None) as live:
        urls = [live.bike_base_url, f"{live.bike_base_url}/{KEYS[0]}", f"{live.weather_base_url}/v1/archive"]
        assert all("X-Data-Stack-Origin" not in get(url).headers for url in urls)


def test_faults_come_by_attempt_and_requests_are_kept(provider: SampleProvider) -> None:
    answers = {1: Fault.status(429, {"Retry-After": "1"}), 2: Fault.status(500), 3: Fault.page()}
    provider.faults = lambda path, query, attempt: answers.get(attempt) if path.endswith(KEYS[0]) else None
    url = f"{provider.bike_base_url}/{KEYS[0]}"
    first, second, third, fourth = (get(url) for _ in range(4))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1")
    assert second.status_code == 500
    assert (third.status_code, third.headers["Content-Type"]) == (200, "text/html")
    assert fourth.content == KEYS[0].encode()
    assert provider.requests == [Request("GET", f"/tripdata/{KEYS[0]}", {})] * 4
    assert get(provider.bike_base_url).status_code == 200


def test_a_cut_body_names_its_whole_length(provider: SampleProvider) -> None:
    provider.faults = lambda path, query, attempt: Fault.cut(5)
    response = requests.get(f"{provider.bike_base_url}/{KEYS[2]}", stream=True, timeout=5)
    assert response.headers["Content-Length"] == str(3 * len(KEYS[2]))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        response.content  # noqa: B018
    listing = requests.get(provider.bike_base_url, stream=True, timeout=5)
    assert listing.raw.read(5, decode_content=False) == b"<?xml"


def test_bad_json_and_slow_answers(provider: SampleProvider) -> None:
    provider.faults = lambda path, query, attempt: Fault.bad_json() if attempt == 1 else Fault.slow(0.3)
    url = f"{provider.weather_base_url}/v1/archive"
    with pytest.raises(requests.exceptions.JSONDecodeError):
        get(url, **ARCHIVE).json()
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(url, params=ARCHIVE, timeout=0.05)
    began = time.perf_counter()
    assert get(url, **ARCHIVE).json()["latitude"] == 40.7
    assert time.perf_counter() - began >= 0.3


def test_it_is_silent_on_stderr(provider: SampleProvider, capfd: pytest.CaptureFixture[str]) -> None:
    get(provider.bike_base_url)
    get(f"{provider.bike_base_url}/nothing")
    assert capfd.readouterr() == ("", "")


def test_closing_frees_the_port_at_once(bucket: Path) -> None:
    with SampleProvider(bucket, WEATHER, faults=lambda *_: Fault.slow(60)) as provider:
        port = provider.port
        waiting = threading.Thread(target=lambda: get(provider.bike_base_url), daemon=True)
        waiting.start()
        while not provider.requests:
            time.sleep(0.01)
        with pytest.raises(TerminalError, match=f"cannot listen on 127.0.0.1:{port}"):
            SampleProvider(bucket, WEATHER, port=port)
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    with SampleProvider(bucket, WEATHER, port=port) as again:
        assert get(again.bike_base_url).status_code == 200


def test_serve_forever_runs_in_the_callers_thread(bucket: Path) -> None:
    provider = SampleProvider(bucket, WEATHER)
    caller = threading.Thread(target=provider.serve_forever, daemon=True)
    caller.start()
    assert get(provider.bike_base_url).status_code == 200
    provider.close()
    caller.join(timeout=5)
    assert not caller.is_alive()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="is not a folder"):
        SampleProvider(tmp_path / "none", WEATHER)


def test_a_generated_sample_is_served_with_its_weather(tmp_path: Path) -> None:
    spec = SampleSpec(seed=5, first_month=date(2024, 1, 1), last_month=date(2024, 1, 1), rides_per_day=20)
    generate(tmp_path / "sample", spec)
    with SampleProvider.of_sample(tmp_path / "sample") as provider:
        keys = page(get(provider.bike_base_url, **{"list-type": "2"}))["Key"]
        served = get(f"{provider.weather_base_url}/v1/archive", **ARCHIVE).json()
    assert "JC-202401-citibike-tripdata.csv.zip" in keys and len(keys) == 7
    assert served["hourly"] == SampleWeather(5).answer(ARCHIVE)[1]["hourly"]
