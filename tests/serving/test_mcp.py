"""The MCP server over its real protocol: what its tools answer, to whom, and what they refuse."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from raw_builder import build_raw
from serving_support import publish_days

from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.role import Role
from data_stack.settings import PROJECT_ROOT, Settings
from data_stack.tables import TableDescription, keep_descriptions
from data_stack.warehouse import open_warehouse
from serving.mcp_door import make_mcp_app
from serving.tokens import create_token, revoke_token

pytestmark = pytest.mark.integration

DATA_STACK = Path(sys.executable).with_name("data-stack")
TOOLS = ["list_metrics", "describe_metric", "query_metrics", "describe", "query", "runs", "rejects"]
ATTACKS: dict[str, list[str]] = json.loads(
    (PROJECT_ROOT / "tests" / "data_stack" / "attacks.json").read_text(encoding="utf-8")
)
# what is personal in the published file of these tests
PERSONAL = ("Grandma", "Grandpa", "22.5")

Call = Callable[..., Any]


def publish_described(settings: Settings) -> str:
    """Publish one day of each source, the calendar described and the table of a personal metric not."""
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    columns = {"date_local": "A day."}
    keep_descriptions(
        settings, [TableDescription("core.dim_dates", "Days.", "one row per day", (), (), False, columns)]
    )
    return publish_days(settings)


@contextmanager
def connect(server: Any) -> Iterator[Call]:
    """A client of the SDK, whose calls return whether they failed, the values, and the text."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:

        def call(name: str, /, **arguments: Any) -> tuple[bool, Any, str]:
            result = portal.call(client.call_tool, name, arguments)
            text = "".join(getattr(part, "text", "") for part in result.content)
            return bool(result.is_error), result.structured_content, text

        call.tools = portal.call(client.list_tools).tools  # type: ignore[attr-defined]
        yield call


@pytest.fixture(scope="module")
def settings_of_server(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("mcp"))
    publish_described(settings)
    return settings


@pytest.fixture(scope="module")
def stdio(settings_of_server: Settings) -> Iterator[Call]:
    environment = {**os.environ, "DATA_DIR": str(settings_of_server.data_dir)}
    with connect(StdioServerParameters(command=str(DATA_STACK), args=["mcp"], env=environment)) as call:
        yield call


def succeed(answer: tuple[bool, Any, str]) -> Any:
    is_error, values, text = answer
    assert not is_error, text
    return values


def fail(answer: tuple[bool, Any, str]) -> str:
    is_error, _, text = answer
    assert is_error
    return text


def test_every_tool_is_described_and_only_reads(stdio: Call) -> None:
    tools = stdio.tools  # type: ignore[attr-defined]
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description and tool.output_schema["properties"], tool.name
        assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint


def test_the_values_are_those_of_the_published_file(stdio: Call, settings_of_server: Settings) -> None:
    with open_warehouse(settings_of_server.warehouse_file) as db:
        (publication_id,) = db.execute("select publication_id from ops.publication").fetchone() or ("",)
        (runs,) = db.execute("select count(*) from ops.runs").fetchone() or (0,)
    found = succeed(stdio("query", sql="select date_local, 1.5::decimal(4, 2) as x from core.dim_dates"))
    assert found["rows"] == [["2024-01-01", 1.5]]
    assert [column["type"] for column in found["columns"]] == ["DATE", "DECIMAL(4,2)"]
    assert found["publication_id"] == publication_id
    assert succeed(stdio("query", sql="select count(*) from ops.runs"))["rows"] == [[runs]]
    cut = succeed(stdio("query", sql="from range(10)", rows=2))
    assert cut["rows"] == [[0], [1]] and cut["notes"]


def test_tables_are_described_as_they_are_published(stdio: Call) -> None:
    tables = {table["name"]: table for table in succeed(stdio("describe"))["tables"]}
    assert tables["core.dim_dates"] == {
        "name": "core.dim_dates",
        "grain": "one row per day",
        "description": "Days.",
        "rows": 1,
        "columns": ["date_local"],
    }
    assert "core.gifts" not in tables
    table = succeed(stdio("describe", table="core.dim_dates"))["table"]
    assert table["columns"] == [{"name": "date_local", "type": "DATE", "description": "A day.", "is_personal": False}]
    assert "did you mean core.dim_dates" in fail(stdio("describe", table="core.dim_date"))
    assert "personal source" in fail(stdio("describe", table="core.gifts"))


def test_metrics_are_listed_and_answered_and_personal_ones_are_refused(stdio: Call) -> None:
    metrics = {metric["name"]: metric for metric in succeed(stdio("list_metrics"))["metrics"]}
    assert metrics["gifts_received"]["is_personal"]
    open_metric = next(name for name, metric in metrics.items() if not metric["is_personal"])
    described = succeed(stdio("describe_metric", name=open_metric))
    assert described["description"]
    answer = succeed(stdio("query_metrics", query={"metrics": [open_metric]}))
    assert answer["columns"][-1]["name"] == open_metric and answer["sql"]
    text = fail(stdio("query_metrics", query={"metrics": ["gifts_received"]}))
    assert "gifts_received: computed from personal data" in text
    assert "no metric" in fail(stdio("describe_metric", name="gifts")).lower()
    assert "gifts_received" in fail(stdio("query_metrics", query={"metrics": ["gifts_receive"]}))


def test_runs_and_rejects_are_listed_without_values(stdio: Call, settings_of_server: Settings) -> None:
    (run,) = succeed(stdio("runs"))["runs"]
    assert (run["command"], run["status"]) == ("publish", "succeeded")
    steps = succeed(stdio("runs", run_id=run["run_id"]))["steps"]
    assert [step["step"] for step in steps] == ["publish"]
    assert "there is no run 'x'" in fail(stdio("runs", run_id="x"))
    for source in SOURCES[:1]:
        rejects = [
            {"batch": f"{number}.csv", "source_line": number, "reason": "no date", "raw_text": "Grandma"}
            for number in range(3)
        ]
        build_raw(settings_of_server, source.name, {"rejects": rejects})
        expected = {"source_name": source.name, "reason": "no date", "rows": 3, "batches": 3}
        assert succeed(stdio("rejects"))["rejects"] == [expected]
        assert succeed(stdio("rejects", source_name=source.name, limit=1))["rejects"] == [expected]
    assert fail(stdio("rejects", source_name="nothing"))


@pytest.mark.parametrize("kind", [kind for kind in ATTACKS if kind not in ("personal", "harmless")])
def test_an_attack_over_the_protocol_is_refused(kind: str, stdio: Call, settings_of_server: Settings) -> None:
    file = settings_of_server.warehouse_file
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    for attack in ATTACKS[kind]:
        sql = attack.replace("{file}", str(file)).replace("{secret}", "/etc/hostname")
        assert fail(stdio("query", sql=sql.replace("{folder}", str(file.parent)))), sql
    assert succeed(stdio("query", sql="select 1"))["rows"] == [[1]]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("query", {}),
        ("query", {"sql": 1}),
        ("query", {"sql": ["select 1"]}),
        ("query", {"sql": "select 1", "rows": 0}),
        ("query", {"sql": "select 1", "rows": 10**9}),
        ("query", {"sql": f"select {'1' * 30_000}"}),
        ("query", {"sql": "select * from core.gifts"}),
        ("query", {"sql": "select giver from core.gifts"}),
        ("query", {"sql": "select g from core.gifts g"}),
        ("query", {"sql": "from ops.semantic_manifest"}),
        ("query", {"sql": "from ops.api_tokens"}),
        ("describe", {"table": "core.gifts"}),
        ("describe", {"table": "published.core.gifts"}),
        ("describe", {"table": "core.dim_dates; drop table core.dim_dates"}),
        ("describe", {"table": "x" * 1_000}),
        ("describe_metric", {"name": "gifts_amount"}),
        ("describe_metric", {"name": "../../etc/passwd"}),
        ("query_metrics", {"query": {"metrics": ["gifts_amount"]}}),
        ("query_metrics", {"query": {"metrics": []}}),
        ("query_metrics", {"query": {"metrics": ["gifts_received"], "sql": "select 1"}}),
        ("query_metrics", {"query": {"metrics": ["gifts_received"], "where": "1=1) union select 1"}}),
        ("query_metrics", {"query": {"metrics": ["gifts_received"], "group_by": ["giver; drop table x"]}}),
        ("query_metrics", {"query": {"metrics": ["gifts_received"], "limit": 10**9}}),
        ("runs", {"limit": 0}),
        ("runs", {"run_id": "' or 1=1 --"}),
        ("rejects", {"source_name": "../raw"}),
        ("rejects", {"source_name": "raw.rejects; drop table x"}),
        ("execute", {"sql": "select 1"}),
        ("__init__", {}),
    ],
)
def test_a_wrong_call_is_an_error_and_the_server_lives_on(tool: str, arguments: dict[str, Any], stdio: Call) -> None:
    text = fail(stdio(tool, **arguments))
    assert text and not any(value in text for value in PERSONAL)
    assert succeed(stdio("query", sql="select 1"))["rows"] == [[1]]


def test_a_new_publication_is_seen_at_once(stdio: Call, settings_of_server: Settings) -> None:
    before = succeed(stdio("query", sql="select 1"))["publication_id"]
    published = publish_described(settings_of_server)
    assert published != before
    assert succeed(stdio("query", sql="select publication_id from ops.publication"))["rows"] == [[published]]
    assert succeed(stdio("describe"))["tables"][0]["name"] == "core.dim_dates"
    metrics = succeed(stdio("list_metrics"))["metrics"]
    open_metric = next(metric["name"] for metric in metrics if not metric["is_personal"])
    assert succeed(stdio("query_metrics", query={"metrics": [open_metric]}))["publication_id"] == published


def test_standard_output_has_nothing_but_the_protocol(tmp_path: Path) -> None:
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        # nothing is published: a failure, which is logged nowhere but on standard error
        {"id": 2, "method": "tools/call", "params": {"name": "query", "arguments": {"sql": "select 1"}}},
        {"id": 3, "method": "tools/list"},
    ]
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "LOG_LEVEL": "DEBUG"}
    with subprocess.Popen(
        [DATA_STACK, "mcp"], cwd=tmp_path, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(20) == 0
    assert {answer["id"] for answer in answers} == {1, 2, 3}
    (called,) = [answer["result"] for answer in answers if answer["id"] == 2]
    assert called["isError"] and "no published warehouse" in called["content"][0]["text"]


@pytest.fixture(scope="module")
def url(settings_of_server: Settings) -> Iterator[str]:
    """The server over HTTP, in a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(make_mcp_app(settings_of_server), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/mcp"
    server.should_exit = True
    thread.join(30)


def connect_by_http(url: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return connect(streamable_http_client(url, http_client=httpx2.AsyncClient(headers=headers)))


def test_over_http_the_token_says_who_asks(url: str, settings_of_server: Settings) -> None:
    ops = Ops(settings_of_server)
    with connect_by_http(url, create_token(ops, Role.ANALYST, 1)[0]) as call:
        assert [tool.name for tool in call.tools] == TOOLS  # type: ignore[attr-defined]
        assert succeed(call("query", sql="select count(*) from core.dim_dates"))["rows"] == [[1]]
        assert "may not read runs" in fail(call("runs"))
        assert "may not read runs" in fail(call("rejects"))
        assert "personal source" in fail(call("query", sql="from core.gifts"))
    with connect_by_http(url, create_token(ops, Role.OWNER, 1)[0]) as call:
        assert succeed(call("query", sql="select sum(amount) from core.gifts"))["rows"] == [[42.5]]
        assert succeed(call("query_metrics", query={"metrics": ["gifts_received"]}))["rows"] == [[42.5]]
        assert succeed(call("runs"))["runs"]
    (path, statuses) = ("/mcp", [row["status"] for row in ops.query("select status from api_calls")])
    assert path in url and 200 in statuses


@pytest.mark.parametrize("token", [None, "", "ds_00000000_" + "x" * 43, "revoked"])
def test_over_http_nobody_asks_without_a_token(token: str | None, url: str, settings_of_server: Settings) -> None:
    ops = Ops(settings_of_server)
    if token == "revoked":
        token, record = create_token(ops, Role.OWNER, 1)
        revoke_token(ops, record.token_id)
    headers = {"Accept": "application/json, text/event-stream"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    answer = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert answer.status_code == 401
    assert "tools" not in answer.text


def test_over_http_another_host_name_is_refused(url: str, settings_of_server: Settings) -> None:
    token, _ = create_token(Ops(settings_of_server), Role.ANALYST, 1)
    headers = {"Authorization": f"Bearer {token}", "Host": "evil.example", "Accept": "application/json"}
    answer = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert answer.status_code in (403, 421)


def test_the_project_names_the_server_for_agents() -> None:
    named = json.loads((PROJECT_ROOT / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]["data-stack"]
    assert (PROJECT_ROOT / named["command"]).exists() or named["command"] == ".venv/bin/data-stack"
    assert named["args"] == ["mcp"]
