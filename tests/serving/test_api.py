"""The API in process: who may ask what, the form of failures, the records of calls."""

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from records import change_records
from serving_support import NODE, Api, problem, publish_days

from data_stack.api_messages import AgentAnswer, AgentEvent, AgentOutput, AgentRequest, AgentUsage, Problem
from data_stack.errors import TerminalError
from data_stack.ops import LoadRecord, Ops, utc_now
from data_stack.role import Role
from data_stack.settings import Settings
from serving.guard import BODY_BYTES_MAX, PUBLIC_PATHS
from serving.roles import PERMISSIONS, Permission
from serving.tokens import Caller

RUN = "20240101T000000000-aaaa"
ROUTES: dict[tuple[str, str], Permission] = {
    ("GET", "/runs"): Permission.READ_RUNS,
    ("GET", f"/runs/{RUN}"): Permission.READ_RUNS,
    ("GET", "/lineage/visits"): Permission.READ_LINEAGE,
}
AGENT_ROUTES = ("/agents/execute", "/agents/stream")


def record_runs(ops: Ops, count: int) -> list[str]:
    """Runs of which every third fails; the latest last."""
    ids = [f"202401{day:02}T000000000-aaaa" for day in range(1, count + 1)]
    for number, run_id in enumerate(ids):
        ops.begin_run(run_id, "publish" if number % 2 else "run", ["bike", "weather"], ("2024-01-01", "2024-01-31"))
        ops.end_run(
            run_id, "failed" if number % 3 == 2 else "succeeded", "the gate failed" if number % 3 == 2 else None
        )
    return ids


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_role_may_call_what_its_permissions_say_and_nothing_else(
    api: Api, role: Role, method: str, path: str
) -> None:
    record_runs(api.ops, 1)
    answer = api.by(role).request(method, path)
    permission = ROUTES[method, path]
    if permission in PERMISSIONS[role]:
        assert answer.status_code == 200
    else:
        assert problem(answer, 403).startswith(
            f"the role {role} may not {permission}; use a token of a role that may: "
        )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("agent", Role)
@pytest.mark.parametrize("path", AGENT_ROUTES)
def test_an_agent_may_not_more_than_its_caller(api: Api, role: Role, agent: Role, path: str) -> None:
    answer = api.by(role).post(path, json={"role": agent, "prompt": "how many?"})
    if PERMISSIONS[agent] <= PERMISSIONS[role]:
        assert answer.status_code == 200
    else:
        assert f"the role {role} may not use the agent {agent}" in problem(answer, 403)


def test_every_path_but_the_public_ones_needs_a_token(api: Api) -> None:
    paths = api.anonymous.get("/openapi.json").json()["paths"]
    operations = {(path, method) for path, found in paths.items() for method in found if path not in PUBLIC_PATHS}
    assert len(operations) >= 5
    for path, method in operations:
        answer = api.anonymous.request(method, path.format(run_id=RUN, node="visits", name="trips"))
        assert "the call has no token" in problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert paths[path][method]["security"] == [{"HTTPBearer": []}]
    assert "the call has no token" in problem(api.anonymous.get("/docs"), 401)
    assert api.anonymous.get("/health").json() == {"status": "alive"}


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ds_00000000_x", "bearer  "])
def test_another_header_is_no_token(api: Api, header: str) -> None:
    problem(api.anonymous.get("/runs", headers={"Authorization": header}), 401)


def test_expired_and_revoked_tokens_are_refused_and_recorded(api: Api) -> None:
    owner = api.by(Role.OWNER)
    assert owner.get("/runs").status_code == 200
    token_id = api.tokens[Role.OWNER].split("_")[1]
    api.ops.revoke_token(token_id)
    assert f"the token {token_id} was revoked on" in problem(owner.get("/runs"), 401)
    change_records(api.ops, "update api_tokens set expires_at_utc = ?", [(utc_now(timedelta(seconds=-1)),)])
    assert "expired on" in problem(api.by(Role.DATA_ENGINEER).get("/runs"), 401)
    assert [(call["status"], call["token_id"], call["role"]) for call in api.calls()] == [
        (200, token_id, "owner"),
        (401, None, None),
        (401, None, None),
    ]


def test_every_call_is_recorded_by_the_path_that_the_api_describes(api: Api) -> None:
    record_runs(api.ops, 1)
    analyst, engineer = api.by(Role.ANALYST), api.by(Role.DATA_ENGINEER)
    engineer.get(f"/runs/{RUN}?a=1")
    engineer.get("/runs/nothing")
    engineer.get("/runs?limit=0")
    analyst.get("/runs")
    api.anonymous.get("/runs")
    engineer.get("/nowhere/with/text")
    engineer.delete("/runs")
    api.anonymous.get("/health")
    calls = api.calls()
    assert [(call["method"], call["path"], call["status"], call["role"]) for call in calls] == [
        ("GET", "/runs/{run_id}", 200, "data_engineer"),
        ("GET", "/runs/{run_id}", 404, "data_engineer"),
        ("GET", "/runs", 422, "data_engineer"),
        ("GET", "/runs", 403, "analyst"),
        ("GET", "", 401, None),
        ("GET", "", 404, "data_engineer"),
        ("DELETE", "/runs", 405, "data_engineer"),
        ("GET", "/health", 200, None),
    ]
    assert len({call["request_id"] for call in calls}) == len(calls)
    assert all(0 < call["milliseconds"] < 60_000 and call["called_at_utc"] <= utc_now() for call in calls)


def test_failures_name_what_is_wrong(api: Api) -> None:
    owner = api.by(Role.OWNER)
    assert problem(owner.get("/runs?limit=900"), 422) == (
        "the request cannot be used: query.limit: Input should be less than or equal to 200; "
        "correct it as /openapi.json describes it"
    )
    assert problem(owner.get("/runs/nothing"), 404) == "there is no run 'nothing'; GET /runs lists them"
    assert problem(owner.get("/runs?before=nothing"), 404) == "there is no run 'nothing'; GET /runs lists them"
    assert "similar names are visits" in problem(owner.get("/lineage/visit"), 404)
    assert problem(owner.get("/nowhere"), 404).startswith("GET /nowhere: Not Found; ")
    refused = owner.put("/runs")
    assert problem(refused, 405).startswith("PUT /runs: Method Not Allowed")
    assert refused.headers["Allow"] == "GET"


def test_a_request_that_cannot_be_used_is_not_quoted(api: Api) -> None:
    secret = "my salary is 123456"
    for body in ({"prompt": "x", "role": secret}, {"prompt": secret * 1000}, {"prompt": "x", "session": secret}):
        answer = api.by(Role.OWNER).post("/agents/execute", json=body)
        assert "123456" not in problem(answer, 422)
    owner = api.by(Role.OWNER, **{"Content-Type": "application/json"})
    assert "JSON decode error" in problem(owner.post("/agents/execute", content=b"{,"), 422)
    assert "parsing the body" in problem(owner.post("/agents/execute", content=b'"\xc3("'), 400)
    assert "body: Input should be" in problem(api.by(Role.OWNER).post("/agents/execute", content=b"text"), 422)


def test_a_body_that_is_too_large_is_refused_also_if_it_does_not_say_so(api: Api) -> None:
    owner = api.by(Role.OWNER, **{"Content-Type": "application/json"})
    body = json.dumps({"prompt": "x" * BODY_BYTES_MAX}).encode()
    assert f"more than {BODY_BYTES_MAX:,} bytes" in problem(owner.post("/agents/execute", content=body), 413)
    parts = (body[start : start + 1000] for start in range(0, len(body), 1000))
    assert f"more than {BODY_BYTES_MAX:,} bytes" in problem(owner.post("/agents/execute", content=parts), 413)
    assert [call["status"] for call in api.calls()] == [413, 413]


def test_the_limit_is_per_token_and_says_when_to_come_back(settings: Settings) -> None:
    api = Api(settings.model_copy(update={"api_rate_limit": "3/minute"}))
    owner, analyst = api.by(Role.OWNER), api.by(Role.ANALYST)
    assert [owner.get("/runs").status_code for _ in range(3)] == [200] * 3
    late = owner.get("/runs")
    assert "the limit is 3 calls per minute (API_RATE_LIMIT); call again in " in problem(late, 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert f"call again in {late.headers['Retry-After']} s" in late.json()["detail"]
    assert analyst.get("/lineage/visits").status_code == 200
    assert api.anonymous.get("/health").status_code == 200
    assert [call["status"] for call in api.calls()] == [200, 200, 200, 429, 200, 200]


def test_guessing_tokens_is_limited_and_stops_nobody_else(settings: Settings) -> None:
    api = Api(settings.model_copy(update={"api_rate_limit": "2/minute"}))
    guesses = [api.anonymous.get("/runs", headers={"Authorization": f"Bearer guess{n}"}).status_code for n in range(4)]
    assert guesses == [401, 401, 429, 429]
    assert api.by(Role.OWNER).get("/runs").status_code == 200


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-123_x.y", True), ("short", False), ("x" * 65, False), ("a b c d e f g", False), ("é" * 10, False)],
)
def test_a_request_id_is_kept_if_it_can_be_logged(api: Api, given: str, is_kept: bool) -> None:
    answer = api.anonymous.get("/health", headers={"X-Request-ID": given.encode()})
    request_id = answer.headers["X-Request-ID"]
    assert (request_id == given) == is_kept
    assert is_kept or len(request_id) == 16
    assert api.calls()[-1]["request_id"] == request_id


def test_an_unexpected_error_is_answered_recorded_and_logged_without_its_text(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("could not convert 'Grandma'")

    monkeypatch.setattr(Ops, "find_runs", fail)
    answer = api.by(Role.OWNER).get("/runs", headers={"X-Request-ID": "request-1"})
    assert problem(answer, 500) == "the call failed unexpectedly; the log of the API has the reason under request-1"
    assert api.calls()[-1]["status"] == 500
    logged = capsys.readouterr()
    assert "unexpected ValueError" in logged.err + logged.out
    assert "request-1" in logged.err + logged.out
    assert "Grandma" not in logged.err + logged.out


def test_an_answer_is_given_even_if_its_record_fails(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Ops, "record_call", fail)
    assert api.anonymous.get("/health").status_code == 200
    logged = capsys.readouterr()
    assert "a call could not be recorded" in logged.err + logged.out


def test_old_records_of_calls_are_removed(settings: Settings) -> None:
    Api(settings).anonymous.get("/health")
    api = Api(settings.model_copy(update={"api_audit_keep_days": 3}))
    change_records(api.ops, "update api_calls set called_at_utc = ?", [(utc_now(-timedelta(days=4)),)])
    api.anonymous.get("/health")
    api.anonymous.get("/health")
    assert [call["called_at_utc"] > utc_now(-timedelta(days=1)) for call in api.calls()] == [True, True]


def test_ready_needs_a_publication(api: Api) -> None:
    answer = api.anonymous.get("/ready")
    assert problem(answer, 503) == "there is no published warehouse at warehouse.duckdb; `data-stack run` publishes one"
    publication_id = publish_days(api.settings)
    ready = api.anonymous.get("/ready").json()
    assert (ready["status"], ready["publication_id"]) == ("ready", publication_id)
    api.settings.warehouse_file.write_bytes(b"no database")
    assert "is not a publication" in problem(api.anonymous.get("/ready"), 503)
    assert api.anonymous.get("/health").status_code == 200


def test_runs_come_in_pages_the_latest_first(api: Api) -> None:
    ids = record_runs(api.ops, 7)
    owner, pages, before = api.by(Role.OWNER), list[list[str]](), dict[str, str]()
    while True:
        page = owner.get("/runs", params={"limit": 3, **before}).json()
        pages.append([run["run_id"] for run in page["runs"]])
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert pages == [ids[:3:-1], ids[3:0:-1], ids[:1]]


def test_runs_are_filtered(api: Api) -> None:
    ids = record_runs(api.ops, 7)
    owner = api.by(Role.OWNER)

    def found(**parameters: str) -> list[str]:
        return [run["run_id"] for run in owner.get("/runs", params=parameters).json()["runs"]]

    assert found(status="failed") == [ids[5], ids[2]]
    assert found(status="failed", limit="1") == [ids[5]]
    assert found(command="publish") == [ids[5], ids[3], ids[1]]
    assert found(command="publish", status="failed") == [ids[5]]
    assert found(status="interrupted") == []
    change_records(api.ops, "update runs set status = 'running', pid = 4194305 where run_id = ?", [(ids[0],)])
    assert found(status="interrupted") == [ids[0]]
    assert found(status="running") == []


def test_a_run_has_its_steps_and_loads(api: Api) -> None:
    (run_id,) = record_runs(api.ops, 1)
    with api.ops.step(run_id, "ingest", "bike") as step:
        step.rows, step.detail = 9, "one file"
    api.ops.record_load(run_id, LoadRecord("bike", "1795", 10, 9, 1, 0))
    api.ops.record_load("another", LoadRecord("bike", "1796", 10, 9, 1, 0))
    run = api.by(Role.OWNER).get(f"/runs/{run_id}").json()
    assert (run["run_id"], run["command"], run["sources"]) == (run_id, "run", ["bike", "weather"])
    steps = [(found["step"], found["source_name"], found["rows"], found["detail"]) for found in run["steps"]]
    assert steps == [("ingest", "bike", 9, "one file")]
    assert [(found["load_id"], found["state"], found["rows_rejected"]) for found in run["loads"]] == [
        ("1795", "pending", 1)
    ]
    assert "host" not in run and "pid" not in run


def test_the_lineage_of_a_node_may_have_slashes_in_its_name(api: Api) -> None:
    analyst = api.by(Role.ANALYST)
    assert analyst.get("/lineage/visits").json() == {
        "nodes": [NODE],
        "upstream": [NODE | {"name": "a file/with.dots"}],
        "downstream": [],
    }
    assert "'a/b.sql'" in problem(analyst.get("/lineage/a/b.sql"), 404)
    assert {call["path"] for call in api.calls()} == {"/lineage/{node}"}


@pytest.mark.parametrize("path", AGENT_ROUTES)
def test_without_a_model_an_agent_says_how_to_set_one(api: Api, path: str) -> None:
    answer = api.by(Role.ANALYST).post(path, json={"prompt": "how many?", "session": "a" * 16})
    found = read_answer(answer)
    assert (found.status, found.role, found.session) == ("not_configured", Role.ANALYST, "a" * 16)
    assert "Set MODEL in the environment or in .env" in found.output.text
    assert len(read_answer(api.by(Role.ANALYST).post(path, json={"prompt": "how many?"})).session) == 32


def read_answer(answer: Any) -> AgentAnswer:
    """The answer of an agent, from either endpoint."""
    assert answer.status_code == 200, answer.text
    if answer.headers["Content-Type"].startswith("text/event-stream"):
        events = [AgentEvent.model_validate_json(line[6:]) for line in answer.text.splitlines() if line[:6] == "data: "]
        assert [event.kind for event in events] == ["step"] * (len(events) - 1) + ["answer"]
        assert events[-1].answer
        return events[-1].answer
    return AgentAnswer.model_validate_json(answer.content)


class Scripted:
    """Answers prompts with what the prompt asks for."""

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        if request.prompt == "stop":
            raise TerminalError("the model refused; ask another")
        if request.prompt == "break":
            raise ValueError("could not convert 'Grandma'")
        usage = AgentUsage(model="a:b", requests=2, tool_calls=1, input_tokens=30, output_tokens=4, cost_usd=0.5)
        output = AgentOutput(text=f"{caller.role} asked {len(request.prompt)}")
        return AgentAnswer(status="answered", role=request.role, session="s" * 16, output=output, usage=usage)

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        yield AgentEvent(kind="step", text="looking")
        yield AgentEvent(kind="answer", answer=await self.execute(request, caller))


@pytest.mark.parametrize("path", AGENT_ROUTES)
def test_the_record_of_a_prompt_has_its_cost_and_not_its_text(settings: Settings, path: str) -> None:
    api, prompt = Api(settings, Scripted()), "how much did Grandma give me?"
    answer = read_answer(api.by(Role.OWNER).post(path, json={"role": "analyst", "prompt": prompt}))
    assert answer.output.text == f"owner asked {len(prompt)}"
    (call,) = api.calls()
    assert (call["path"], call["status"], call["role"], call["model"]) == (path, 200, "owner", "a:b")
    assert (call["input_tokens"], call["output_tokens"], call["cost_usd"]) == (30, 4, 0.5)
    assert call["question_sha256"] == hashlib.sha256(prompt.encode()).hexdigest()
    assert call["question_length"] == len(prompt)
    stored = b"".join(file.read_bytes() for file in api.ops.store.path.parent.iterdir() if file.is_file())
    assert b"Grandma" not in stored


def test_the_record_of_a_refused_prompt_has_its_hash(api: Api) -> None:
    prompt = "start a run"
    api.by(Role.ANALYST).post("/agents/execute", json={"role": "data_engineer", "prompt": prompt})
    (call,) = api.calls()
    assert (call["status"], call["question_length"]) == (403, len(prompt))


def test_an_agent_that_fails_ends_the_stream_with_the_reason(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(settings, Scripted())
    owner = api.by(Role.OWNER)
    stopped = read_answer(owner.post("/agents/stream", json={"prompt": "stop"}))
    assert (stopped.status, stopped.output.text) == ("failed", "the model refused; ask another")
    broken = read_answer(owner.post("/agents/stream", json={"prompt": "break", "session": "a" * 20}))
    assert (broken.status, broken.session) == ("failed", "a" * 20)
    assert broken.output.text.startswith("the agent failed unexpectedly; the log has the reason under ")
    assert problem(owner.post("/agents/execute", json={"prompt": "stop"}), 503) == "the model refused; ask another"
    problem(owner.post("/agents/execute", json={"prompt": "break"}), 500)
    logged = capsys.readouterr()
    assert "Grandma" not in logged.err + logged.out
    assert [call["status"] for call in api.calls()] == [200, 200, 503, 500]


def test_every_documented_failure_has_the_form_of_a_problem(api: Api) -> None:
    described = api.anonymous.get("/openapi.json").json()
    failures = [
        (status, answer["content"])
        for operations in described["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if int(status) >= HTTPStatus.BAD_REQUEST
    ]
    assert len(failures) > 20
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert all(content == {"application/problem+json": schema} for _, content in failures)
    assert set(described["components"]["schemas"]["Problem"]["properties"]) == set(Problem.model_fields)
