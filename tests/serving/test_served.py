"""The API as a process of its own on loopback, asked by the client of the pages."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from serving_support import publish_days

from data_stack.api_messages import AgentRequest
from data_stack.errors import (
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    TerminalError,
    TooManyCallsError,
    TransientError,
    UsageError,
)
from data_stack.metrics.query import MetricQuery
from data_stack.ops import Ops
from data_stack.role import Role
from data_stack.serving_client import ServingClient
from data_stack.settings import PROJECT_ROOT, Settings
from serving.tokens import create_token

pytestmark = pytest.mark.integration

DATA_STACK = Path(sys.executable).with_name("data-stack")


@dataclass(frozen=True)
class Served:
    """The API of a data folder, as a process."""

    url: str
    settings: Settings
    ops: Ops
    process: "subprocess.Popen[str]"

    def client(self, role: Role = Role.ANALYST) -> ServingClient:
        return ServingClient(self.url, create_token(self.ops, role, 1)[0])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    environment = {**os.environ, "DATA_DIR": str(folder), "API_RATE_LIMIT": "20/minute", "LOG_LEVEL": "INFO"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [DATA_STACK, "api", "serve", "--port", "0"], cwd=PROJECT_ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        assert process.stdout
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, (folder / "log").read_text()
        yield Served(found[0], Settings.load(data_dir=folder), Ops(Settings.load(data_dir=folder)), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 1, 130, -signal.SIGINT)


def test_it_answers_prompts_at_once_and_as_a_stream(served: Served) -> None:
    client, request = served.client(), AgentRequest(prompt="how many trips?")
    answer = client.execute(request)
    assert answer.status == "not_configured"
    events = list(client.stream(AgentRequest(prompt="how many trips?", session=answer.session)))
    assert [event.kind for event in events] == ["answer"]
    assert events[0].answer == answer


def test_it_lists_metrics_and_answers_questions(served: Served) -> None:
    run_id = publish_days(served.settings)
    client = served.client()
    assert "loads" in {info.name for info in client.list_metrics()}
    result = client.query(MetricQuery(metrics=("loads",)))
    assert (result.publication_id, result.rows) == (run_id, ())
    with pytest.raises(NotFoundError, match="there is no metric 'load'; near: "):
        client.query(MetricQuery(metrics=("load",)))
    with pytest.raises(UsageError, match="loads has no dimension 'station'"):
        client.query(MetricQuery(metrics=("loads",), group_by=("station",)))
    with pytest.raises(NotAllowedError, match="gifts_received: computed from personal data"):
        client.query(MetricQuery(metrics=("gifts_received",)))
    owner = served.client(Role.OWNER)
    assert owner.query(MetricQuery(metrics=("gifts_received",), grain="month")).rows == (("2024-01-01", 42.5),)


def test_its_refusals_are_errors_with_the_same_message(served: Served) -> None:
    request = AgentRequest(role=Role.DATA_ENGINEER, prompt="start a run")
    for ask in (ServingClient.execute, lambda client, asked: list(client.stream(asked))):
        with pytest.raises(NotAllowedError, match="the role analyst may not use the agent data_engineer"):
            ask(served.client(), request)
        with pytest.raises(NotAuthenticatedError, match="the call has no token; .*; set API_TOKEN"):
            ask(ServingClient(served.url, None), request)


def test_pages_of_the_same_folder_need_no_set_up(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    settings = Settings.load(data_dir=served.ops.store.path.parents[1], api_port=port)
    request = AgentRequest(role=Role.OWNER, prompt="start a run")
    assert ServingClient.of(settings).execute(request).status == "not_configured"
    elsewhere = settings.model_copy(update={"api_base_url": served.url})
    with pytest.raises(NotAuthenticatedError, match="set API_TOKEN, or start the API with the DATA_DIR of the pages"):
        ServingClient.of(elsewhere).execute(request)


def test_its_limit_is_an_error_that_says_when_to_ask_again(served: Served) -> None:
    client, request = served.client(), AgentRequest(prompt="how many?")
    assert {client.execute(request).status for _ in range(20)} == {"not_configured"}
    with pytest.raises(TooManyCallsError, match="the limit is 20 calls per minute") as late:
        client.execute(request)
    assert 1 <= late.value.retry_after_seconds <= 60


def test_it_logs_each_call_with_its_id_and_not_the_question(served: Served) -> None:
    token, _ = create_token(served.ops, Role.ANALYST, 1)
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "the-request-1"}
    answer = requests.post(f"{served.url}/agents/execute", json={"prompt": "Grandma?"}, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert "server" not in answer.headers
    log = (served.ops.store.path.parents[1] / "log").read_text()
    (line,) = [line for line in log.splitlines() if "the-request-1" in line]
    assert '"path": "/agents/execute"' in line and '"status": 200' in line
    assert "Grandma" not in log and token not in log
    assert served.ops.query("select status from api_calls where request_id = 'the-request-1'") == [{"status": 200}]


def test_it_imports_neither_agents_nor_the_compiler_before_they_are_needed() -> None:
    heavy = ("pydantic_ai", "anthropic", "openai", "metricflow", "dbt", "pandas", "streamlit")
    code = f"import sys, serving.api, orchestration.cli.api; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert done.stdout.strip() == "[]"


def test_it_listens_on_loopback_only(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {line[1] for line in listening if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    assert addresses == {f"0100007F:{port:04X}"}


def test_a_port_that_is_taken_is_named(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    from orchestration.cli.app import execute

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert execute(["api", "serve", "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_client_without_an_api_says_how_to_start_it(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client = ServingClient.of(settings.model_copy(update={"api_port": port}))
    with pytest.raises(TransientError, match=rf"the API at http://127\.0\.0\.1:{port} does not answer .*`make api`"):
        client.list_metrics()


class Other(BaseHTTPRequestHandler):
    """Another server: answers what the path asks for."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = (200, b'data: {"kind": "step"}\n\n') if "stream" in self.path else (200, b'{"hello": 1}')
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(502)
        self.end_headers()
        self.wfile.write(b"<html>bad gateway</html>")

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def other() -> Iterator[ServingClient]:
    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ServingClient(f"http://127.0.0.1:{server.server_port}", "token")
        server.shutdown()
        thread.join()


def test_a_server_that_is_no_api_is_named(other: ServingClient) -> None:
    with pytest.raises(TerminalError, match="answered 502 and is no API of this platform; correct API_BASE_URL"):
        other.list_metrics()
    with pytest.raises(TerminalError, match="in a form that this version does not know"):
        other.execute(AgentRequest(prompt="how many?"))


def test_a_stream_that_ends_early_is_an_error(other: ServingClient) -> None:
    events = other.stream(AgentRequest(prompt="how many?"))
    assert next(events).kind == "step"
    with pytest.raises(TransientError, match="ended before the answer; ask again"):
        next(events)
