"""The agents of the roles against a model server on loopback: routing, tools by role, and runs that are confirmed."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_llm import INPUT_TOKENS, Call, FakeModel
from serving_support import Api, publish_days

from data_stack.api_messages import AgentAnswer
from data_stack.ops import ExpectationRecord, LoadRecord, Ops
from data_stack.registry import source_names
from data_stack.role import Role
from data_stack.settings import Settings
from serving.analyst import REQUESTS_MAX, TOOL_CALLS_MAX
from serving.numbers import find_unseen_numbers
from serving.roof import RunRequest
from serving.tokens import create_token

pytestmark = pytest.mark.integration

ANALYST_TOOLS = {"list_metrics", "describe", "query_metrics", "answer", "question", "refusal"}
ENDS = {"reply", "question", "refusal", "ask_metrics"}
READS = {"describe_tables", "query_tables", "read_lineage", "read_status", "read_runs", "read_gates", "read_rejects"}
TOOLS = {
    Role.ANALYST: ANALYST_TOOLS,
    Role.ML_ENGINEER: ENDS | READS,
    Role.DATA_ENGINEER: ENDS | READS | {"start_run"},
    Role.OWNER: ENDS | READS | {"start_run"},
}
REFUSED = Call("refusal", {"text": "There is no forecast in this platform.", "reason": "no tool for it"})
HANDOVER = Call("ask_metrics", {"question": "How many rows were loaded?"})
LOADED = Call("query_metrics", {"query": {"metrics": ["loaded_rows"], "group_by": ["source"]}})
ANSWER = Call("answer", {"text": "visits loaded 12,345 rows."})
START = Call("start_run")

Make = Callable[..., "tuple[FakeModel, Api]"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("chat") / "data")
    ops = Ops(settings)
    ops.record_load("a run", LoadRecord("visits", "load1", 12346, 12345, 1, 0))
    failed = ExpectationRecord("expect_x", "minutes", "critical", False, 400, 7, ["key of a row"], "seen 4711", "bad")
    ops.record_validations("a run", "visits", "load1", [failed])
    publish_days(settings)
    return settings


@pytest.fixture
def started() -> list[RunRequest]:
    """The runs that were started."""
    return []


@pytest.fixture
def make(published: Settings, started: list[RunRequest]) -> Iterator[Make]:
    """A model with a script, and the API that asks it."""
    models: list[FakeModel] = []

    def start_run(request: RunRequest) -> str:
        started.append(request)
        return "run-20240101-7f"

    def start(*script: Call, **settings: Any) -> tuple[FakeModel, Api]:
        model = FakeModel(script).__enter__()
        models.append(model)
        changed = {"model": "anthropic:some-model", "model_base_url": model.url("anthropic"), **settings}
        return model, Api(published.model_copy(update=changed), start_run=start_run)

    yield start
    for model in models:
        model.__exit__()


def ask(api: Api, prompt: str, role: Role = Role.DATA_ENGINEER, by: Role = Role.OWNER, **body: Any) -> AgentAnswer:
    """An answer of the agent of a role."""
    answer = api.by(by).post("/agents/execute", json={"prompt": prompt, "role": role, **body})
    assert answer.status_code == 200, answer.text
    return AgentAnswer.model_validate_json(answer.content)


@pytest.mark.parametrize("role", Role)
def test_an_agent_has_the_tools_of_its_role_and_no_others(make: Make, role: Role) -> None:
    end = Call("refusal", {"text": "No.", "reason": "not about metrics"}) if role is Role.ANALYST else REFUSED
    model, api = make(end)
    assert ask(api, "What will happen?", role).status == "refused"
    assert {tool["name"] for tool in model.requests[0]["tools"]} == TOOLS[role]


def test_where_no_run_can_be_started_nobody_has_the_tool(make: Make) -> None:
    model, api = make(REFUSED)
    without = Api(api.settings)
    ask(without, "Start a run")
    assert {tool["name"] for tool in model.requests[0]["tools"]} == TOOLS[Role.ML_ENGINEER]


def test_a_question_about_numbers_is_answered_by_the_analyst(make: Make) -> None:
    model, api = make(HANDOVER, LOADED, ANSWER)
    answer = ask(api, "How many rows were loaded?")
    assert (answer.status, answer.role, answer.output.text) == (
        "answered",
        Role.DATA_ENGINEER,
        "visits loaded 12,345 rows.",
    )
    assert answer.output.results[0].rows == (("visits", 12345),)
    assert [check.passed for check in answer.checks] == [True, True]
    # both agents cost
    assert answer.usage and (answer.usage.requests, answer.usage.input_tokens) == (3, 3 * INPUT_TOKENS)
    assert [len(request["tools"]) for request in model.requests] == [len(TOOLS[Role.OWNER]), *[len(ANALYST_TOOLS)] * 2]


@pytest.mark.parametrize("role", [Role.ANALYST, Role.ML_ENGINEER])
def test_a_follow_up_keeps_the_metric_and_adds_the_filter(make: Make, role: Role) -> None:
    where = [{"dimension": "source", "values": ["visits"]}]
    narrowed = {"metrics": ["loaded_rows"], "group_by": ["source"], "where": where}
    handover = [] if role is Role.ANALYST else [HANDOVER]
    again = [] if role is Role.ANALYST else [Call("ask_metrics", {"question": "And of visits only?"})]
    model, api = make(*handover, LOADED, ANSWER, *again, Call("query_metrics", {"query": narrowed}), ANSWER)
    first = ask(api, "How many rows were loaded?", role)
    second = ask(api, "And of visits only?", role, session=first.session)
    (result,) = second.output.results
    assert (result.query.metrics, result.query.where[0].dimension) == (("loaded_rows",), "source")
    # the analyst got the query that it changes, and the agent of the role what was said
    assert '"loaded_rows"' in str(model.requests[-2]["messages"]).replace("'", '"')
    assert "visits loaded 12,345 rows." in str(model.requests[len(model.requests) - 2 - len(again)]["messages"])


def test_the_limits_are_those_of_both_agents(make: Make) -> None:
    looks = [Call("read_gates")] * 3
    model, api = make(*looks, HANDOVER, LOADED)
    answer = ask(api, "How many rows were loaded?")
    assert answer.status == "failed"
    assert f"within {REQUESTS_MAX} requests and {TOOL_CALLS_MAX} tool calls" in answer.output.text
    # three tool calls of the one and three of the other; the next is not made
    assert len(model.requests) == 8
    assert answer.usage and answer.usage.tool_calls <= TOOL_CALLS_MAX


def test_a_reply_has_only_numbers_that_were_looked_up(make: Make) -> None:
    wrong, right = Call("reply", {"text": "8 of 400 failed."}), Call("reply", {"text": "expect_x: 7 of 400 failed."})
    model, api = make(Call("read_gates"), wrong, right)
    answer = ask(api, "Which gates failed?")
    assert (answer.status, answer.output.text) == ("answered", "expect_x: 7 of 400 failed.")
    assert [(check.name, check.passed) for check in answer.checks] == [("every number was looked up", True)]
    assert "no tool returned the numbers 8;" in model.received
    # keys and observed values can be personal
    assert "key of a row" not in model.received and "4711" not in model.received


@pytest.mark.parametrize(
    ("call", "returned"),
    [
        (Call("read_status"), "publication_id"),
        (Call("read_runs"), "run_id"),
        (Call("read_runs", {"run_id": "none"}), "there is no run 'none'"),
        (Call("read_lineage", {"node": "visits"}), "a file/with.dots"),
        (Call("read_lineage", {"node": "visit"}), "the lineage has no node 'visit'; similar names are visits"),
        (Call("describe_tables", {"table": "core.none"}), "core.none"),
    ],
)
def test_a_tool_returns_what_there_is(make: Make, call: Call, returned: str) -> None:
    model, api = make(call, Call("reply", {"text": "So it is."}))
    assert ask(api, "Look it up").status == "answered"
    assert returned in str(model.requests[1]["messages"][2:])


@pytest.mark.parametrize("is_local", [False, True])
def test_rows_of_a_personal_table_go_to_a_local_model_only(make: Make, is_local: bool) -> None:
    select = Call("query_tables", {"sql": "select giver from core.gifts"})
    model, api = make(select, Call("reply", {"text": "So it is."}), model_is_local=is_local)
    ask(api, "Who gave?", Role.OWNER)
    assert ("Grandma" in model.received) == is_local


def test_a_run_is_started_once_and_only_when_it_is_confirmed(make: Make, started: list[RunRequest]) -> None:
    model, api = make(START)
    asked = ask(api, "Run everything")
    assert (asked.status, started) == ("question", [])
    yes, no = asked.output.choices
    assert re.fullmatch(r"Yes, start a run of .+ with the latest days \(confirm [0-9a-f]{16}\)", yes)
    assert no == "No, start nothing"
    answer = ask(api, yes, session=asked.session)
    assert answer.status == "answered" and "The run run-20240101-7f has started" in answer.output.text
    assert started == [RunRequest(tuple(source_names()))]
    assert answer.usage is None
    # a confirmation needs no model, and counts once
    again = ask(api, yes, session=asked.session)
    assert again.status == "refused" and "Nothing was started: this confirmation was used" in again.output.text
    assert (len(started), len(model.requests)) == (1, 1)
    # what the model was told of it has no confirmation
    assert "(confirm" not in model.received


def test_a_confirmation_counts_in_its_conversation_for_its_caller_and_agent(
    make: Make, started: list[RunRequest]
) -> None:
    _, api = make(START)
    asked = ask(api, "Run everything")
    yes = asked.output.choices[0]
    other_session = ask(api, yes)
    other_role = ask(api, yes, Role.OWNER, session=asked.session)
    other_caller = ask(api, yes, by=Role.DATA_ENGINEER, session=asked.session)
    api.tokens[Role.ML_ENGINEER], _ = create_token(api.ops, Role.OWNER, 1)
    other_token = ask(api, yes, by=Role.ML_ENGINEER, session=asked.session)
    assert {answer.status for answer in (other_session, other_role, other_caller, other_token)} == {"refused"}
    assert started == []
    assert ask(api, yes, session=asked.session).status == "answered"
    assert len(started) == 1


def test_a_confirmation_expires(make: Make, started: list[RunRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    _, api = make(START)
    asked = ask(api, "Run everything")
    monkeypatch.setattr("serving.confirmation.CONFIRM_SECONDS", 0)
    assert ask(api, asked.output.choices[0], session=asked.session).status == "refused"
    assert started == []


@pytest.mark.parametrize("between", ["And now?", "No, start nothing"])
def test_another_prompt_ends_what_was_pending(make: Make, started: list[RunRequest], between: str) -> None:
    _, api = make(START, Call("reply", {"text": "Nothing."}))
    asked = ask(api, "Run everything")
    assert ask(api, between, session=asked.session).status == "answered"
    assert ask(api, asked.output.choices[0], session=asked.session).status == "refused"
    assert started == []


@pytest.mark.parametrize("prompt", ["yes", "Yes, start a run of everything", "(confirm 0123456789abcdef)"])
def test_what_is_not_the_confirmation_starts_nothing(make: Make, started: list[RunRequest], prompt: str) -> None:
    _, api = make(START, Call("reply", {"text": "Nothing."}))
    asked = ask(api, "Run everything")
    ask(api, prompt, session=asked.session)
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "returned"),
    [
        ({"sources": ["none; rm"]}, "there is no source 'none; rm'"),
        ({"start": "2024-01-01"}, "name both days, start and end, or none"),
        ({"start": "2024-01-02", "end": "2024-01-01"}, "ends before that"),
    ],
)
def test_a_run_that_cannot_be_is_not_asked_for(make: Make, arguments: dict[str, Any], returned: str) -> None:
    model, api = make(Call("start_run", arguments), REFUSED)
    assert ask(api, "Run it").status == "refused"
    assert returned in model.received


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        ("The run 20240101T0930-ab7 took 12.5 s.", []),
        ("It has 2 steps, of 2024-01-01T09:30:00.", []),
        ("It took 13 s and has 9 steps.", ["9"]),
        ("It took 99.5 s.", ["99.5"]),
        ("It took 30 minutes, and 400 rows.", ["30"]),
    ],
)
def test_numbers_are_compared_with_what_was_found(text: str, unseen: list[str]) -> None:
    seen = '{"run": "20240101T0930-ab7", "at": "2024-01-01T09:30:00", "seconds": 12.5, "steps": ["a", "b, of 400"]}'
    assert find_unseen_numbers(text, "How long?", [seen]) == unseen
