"""The loopback provider: every source below its own prefix, and faults on demand."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Self

import pytest
import requests
from ingestion import read_staged_rows

from data_stack import registry
from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings
from dlt_pipeline.reader import find_reader, open_reader
from dlt_pipeline.sample.provider import Fault, Request, SampleProvider
from dlt_pipeline.sample.source import Response, SampleSource, find_sample, make_json_response
from dlt_pipeline.sample.spec import SampleSpec, generate

SPEC = SampleSpec(seed=5, first_month=date(2024, 1, 1), last_month=date(2024, 1, 1), rides_per_day=20)
CONTENT = b"0123456789" * 3
NOT_FOUND = {"error": True, "reason": "Not Found"}
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


class EchoSample(SampleSource):
    """Answers `/echo` with the query and `/file` with a file."""

    name = "parrot"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "file.bin"
        self.file.write_bytes(CONTENT)

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """Nothing is generated."""

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        return cls(folder)

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        return cls(path)

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        if path == "/file":
            return Response(200, self.file, "application/octet-stream", {"ETag": "one"})
        return make_json_response(200, query) if path == "/echo" else None


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[SampleProvider]:
    with SampleProvider([EchoSample(tmp_path)]) as running:
        yield running


@pytest.fixture
def url(provider: SampleProvider) -> str:
    return provider.get_url("parrot")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("sample") / "sample", SPEC)


def get(url: str, **query: str) -> requests.Response:
    return requests.get(url, params=query, timeout=5)


# -- the sources of the registry ------------------------------------------------------------------------------------


@every_source
def test_a_sample_sets_variables_of_its_source(source: Source, sample: Path) -> None:
    served = find_sample(source.name).of_sample(sample / source.name, SPEC)
    variables = {served.url_variable, *served.list_variables()} - {""}
    assert variables
    assert variables <= set(find_reader(source.name).settings_class.variables())


@pytest.mark.integration
@every_source
def test_a_source_reads_its_sample(
    source: Source, sample: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SampleProvider.of_sample(sample) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        reader = open_reader(source, settings)
        rows = read_staged_rows(reader, [planned.item for planned in reader.plan(SPEC.window).to_fetch()])
    assert rows[source.table]
    assert reader.provider().origin == "sample"
    assert {request.path.split("/")[1] for request in provider.requests} <= {source.name}


@every_source
def test_a_source_that_is_not_served_is_asked_for_here_and_answers_404(
    source: Source, provider: SampleProvider
) -> None:
    response = get(f"{provider.get_url(source.name)}/anything")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)
    variable = find_sample(source.name).url_variable
    assert provider.environment.get(variable) == (provider.get_url(source.name) if variable else None)


@every_source
def test_a_stored_path_that_does_not_exist_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"/nowhere .*; name "):
        SampleProvider.of_stored({source.name: tmp_path / "nowhere"})


def test_without_sources_nothing_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", ())
    with SampleProvider.of_sample(generate(tmp_path / "sample", SPEC)) as provider:
        assert provider.environment == {}
        assert get(provider.get_url("anything")).status_code == 404
    assert [path.name for path in (tmp_path / "sample").iterdir()] == ["manifest.json"]


def test_a_source_without_a_sample_is_explained() -> None:
    with pytest.raises(TerminalError, match=r"dlt_pipeline/sample/parrot\.py is missing.*one SampleSource"):
        find_sample("parrot")
    with pytest.raises(TerminalError, match=r"dlt_pipeline/sample/draw\.py must define one SampleSource .*'draw'"):
        find_sample("draw")


# -- the server -----------------------------------------------------------------------------------------------------


def test_answers_are_below_the_prefix_and_have_the_origin(url: str) -> None:
    response = get(f"{url}/echo", **{"a b": "ü&", "c": ""})
    assert response.json() == {"a b": "ü&", "c": ""}
    assert response.headers["X-Data-Stack-Origin"] == "sample"
    assert get(f"{url}/echo?c=1&c=2").json() == {"c": "1,2"}
    for answered in (get(f"{url}/file"), requests.head(f"{url}/file", timeout=5)):
        assert (answered.headers["Content-Length"], answered.headers["ETag"]) == ("30", "one")
    assert get(f"{url}/file").content == CONTENT
    assert requests.head(f"{url}/file", timeout=5).content == b""


@pytest.mark.parametrize("path", ["", "/", "/parrot", "/parrot/", "/parrot/nothing", "/parrots/echo", "/echo"])
def test_what_is_not_there_is_not_found(provider: SampleProvider, path: str) -> None:
    response = get(f"http://127.0.0.1:{provider.port}{path}")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


def test_without_origin_no_answer_says_sample(tmp_path: Path) -> None:
    with SampleProvider([EchoSample(tmp_path)], origin=None) as live:
        urls = [f"{live.get_url('parrot')}/{name}" for name in ("echo", "file", "nothing")]
        assert all("X-Data-Stack-Origin" not in get(url).headers for url in urls)


def test_faults_come_by_attempt_and_requests_are_kept(provider: SampleProvider, url: str) -> None:
    answers = {1: Fault.status(429, {"Retry-After": "1"}), 2: Fault.status(500), 3: Fault.page()}
    provider.faults = lambda path, query, attempt: answers.get(attempt) if path.endswith("file") else None
    first, second, third, fourth = (get(f"{url}/file") for _ in range(4))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1")
    assert second.status_code == 500
    assert (third.status_code, third.headers["Content-Type"]) == (200, "text/html")
    assert fourth.content == CONTENT
    assert provider.requests == [Request("GET", "/parrot/file", {})] * 4
    assert get(f"{url}/echo").status_code == 200


def test_a_cut_body_names_its_whole_length(provider: SampleProvider, url: str) -> None:
    provider.faults = lambda path, query, attempt: Fault.cut(5)
    response = requests.get(f"{url}/file", stream=True, timeout=5)
    assert response.headers["Content-Length"] == "30"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        response.content  # noqa: B018
    answer = requests.get(f"{url}/echo", params={"long": "enough"}, stream=True, timeout=5)
    assert answer.raw.read(5, decode_content=False) == b'{"lon'


def test_bad_json_and_slow_answers(provider: SampleProvider, url: str) -> None:
    provider.faults = lambda path, query, attempt: Fault.bad_json() if attempt == 1 else Fault.slow(0.3)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        get(f"{url}/echo").json()
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{url}/echo", timeout=0.05)
    began = time.perf_counter()
    assert get(f"{url}/echo").json() == {}
    assert time.perf_counter() - began >= 0.3


def test_it_is_silent_on_stderr(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    get(f"{url}/echo")
    get(f"{url}/nothing")
    assert capfd.readouterr() == ("", "")


def test_closing_frees_the_port_at_once(tmp_path: Path) -> None:
    with SampleProvider([EchoSample(tmp_path)], faults=lambda *_: Fault.slow(60)) as provider:
        port = provider.port
        waiting = threading.Thread(target=lambda: get(f"{provider.get_url('parrot')}/echo"), daemon=True)
        waiting.start()
        while not provider.requests:
            time.sleep(0.01)
        with pytest.raises(TerminalError, match=f"cannot listen on 127.0.0.1:{port}"):
            SampleProvider([], port=port)
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    with SampleProvider([EchoSample(tmp_path)], port=port) as again:
        assert get(f"{again.get_url('parrot')}/echo").status_code == 200


def test_serve_forever_runs_in_the_callers_thread() -> None:
    provider = SampleProvider([])
    caller = threading.Thread(target=provider.serve_forever, daemon=True)
    caller.start()
    assert get(provider.get_url("parrot")).status_code == 404
    provider.close()
    caller.join(timeout=5)
    assert not caller.is_alive()
