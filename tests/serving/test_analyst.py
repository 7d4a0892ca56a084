"""The analyst against a model server on loopback: what it may say, what goes to the model, and how it fails."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_llm import INPUT_TOKENS, OUTPUT_TOKENS, Call, Fail, FakeModel
from serving_support import Api, problem, publish_days

from data_stack.api_messages import AgentAnswer, AgentEvent
from data_stack.errors import UsageError
from data_stack.ops import LoadRecord, Ops
from data_stack.role import Role
from data_stack.settings import Settings
from serving.analyst import REQUESTS_MAX, TOOL_CALLS_MAX

pytestmark = pytest.mark.integration

PROVIDERS = ("anthropic", "openai-chat", "ollama")
LOADED = Call("query_metrics", {"query": {"metrics": ["loaded_rows"], "group_by": ["source"]}})
GIFTS = Call("query_metrics", {"query": {"metrics": ["gifts_received"], "group_by": ["giver"]}})
GOOD = Call("answer", {"text": "visits loaded 12,345 rows."})
ROW = "12345"

Make = Callable[..., "tuple[FakeModel, Api]"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("analyst") / "data")
    Ops(settings).record_load("a run", LoadRecord("visits", "load1", 12346, 12345, 1, 0))
    publish_days(settings)
    return settings


@pytest.fixture
def make(published: Settings) -> Iterator[Make]:
    """A model with a script, and the API that asks it."""
    started: list[FakeModel] = []

    def start(*script: Call | Fail, provider: str = "anthropic", **settings: Any) -> tuple[FakeModel, Api]:
        model = FakeModel(script).__enter__()
        started.append(model)
        changed = {"model": f"{provider}:some-model", "model_base_url": model.url(provider), **settings}
        return model, Api(published.model_copy(update=changed))

    yield start
    for model in started:
        model.__exit__()


def ask(api: Api, prompt: str = "How many rows were loaded?", role: Role = Role.ANALYST, **body: Any) -> AgentAnswer:
    """An answer to a prompt of the owner's token."""
    answer = api.by(Role.OWNER).post("/agents/execute", json={"prompt": prompt, "role": role, **body})
    assert answer.status_code == 200, answer.text
    return AgentAnswer.model_validate_json(answer.content)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_has_its_query_and_its_cost(make: Make, provider: str) -> None:
    model, api = make(Call("list_metrics"), LOADED, GOOD, provider=provider)
    answer = ask(api)
    assert (answer.status, answer.output.text) == ("answered", "visits loaded 12,345 rows.")
    (result,) = answer.output.results
    assert result.rows == (("visits", 12345),)
    assert result.query.metrics == ("loaded_rows",)
    assert [(check.name, check.passed) for check in answer.checks] == [
        ("the answer has a query", True),
        ("every number is in a result", True),
    ]
    assert answer.usage
    assert (answer.usage.model, answer.usage.requests, answer.usage.tool_calls) == (f"{provider}:some-model", 3, 2)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3 * INPUT_TOKENS, 3 * OUTPUT_TOKENS)
    call = api.calls()[-1]
    assert (call["model"], call["input_tokens"], call["question_length"]) == (
        f"{provider}:some-model",
        3 * INPUT_TOKENS,
        len("How many rows were loaded?"),
    )
    assert ROW in model.received


@pytest.mark.parametrize(
    ("said", "returned"),
    [
        ("visits loaded 999,999 rows.", "no result has the numbers 999,999"),
        ("visits loaded 12,345 rows, 3 % more.", "no result has the numbers 3 %"),
    ],
)
def test_a_number_that_no_result_has_goes_back(make: Make, said: str, returned: str) -> None:
    model, api = make(LOADED, Call("answer", {"text": said}), GOOD)
    answer = ask(api)
    assert (answer.status, answer.output.text) == ("answered", "visits loaded 12,345 rows.")
    assert returned in model.received


def test_an_answer_without_a_query_goes_back(make: Make) -> None:
    model, api = make(Call("answer", {"text": "Many rows were loaded."}), LOADED, GOOD)
    assert ask(api).status == "answered"
    assert "the answer has no query; ask query_metrics first" in model.received


def test_an_invented_number_is_never_given(make: Make) -> None:
    _, api = make(LOADED, Call("answer", {"text": "visits loaded 999,999 rows."}))
    answer = ask(api)
    assert answer.status == "failed"
    assert "did not keep to what its tools returned" in answer.output.text
    assert answer.output.results == ()
    assert answer.usage and answer.usage.input_tokens >= 3 * INPUT_TOKENS


@pytest.mark.parametrize(
    ("arguments", "returned"),
    [
        ({"metrics": ["loaded_row"]}, "there is no metric 'loaded_row'; near: "),
        ({"metrics": ["loads"], "group_by": ["station"]}, "loads has no dimension 'station'"),
        ({"metrics": ["loads"], "sql": "select 1"}, "Extra inputs are not permitted"),
    ],
)
def test_a_query_that_cannot_be_answered_goes_back(make: Make, arguments: dict[str, Any], returned: str) -> None:
    model, api = make(Call("query_metrics", {"query": arguments}), LOADED, GOOD)
    assert ask(api).status == "answered"
    assert returned in model.received


def test_a_question_back_has_choices(make: Make) -> None:
    choices = ["How many rows were loaded?", "How many rows were rejected?"]
    _, api = make(Call("question", {"text": "Which rows?", "choices": choices}))
    answer = ask(api, "How many rows?")
    assert (answer.status, answer.output.text, list(answer.output.choices)) == ("question", "Which rows?", choices)
    assert answer.checks == ()


def test_a_refusal_has_no_result(make: Make) -> None:
    _, api = make(LOADED, Call("refusal", {"text": "No metric counts cats.", "reason": "no such metric"}))
    answer = ask(api, "How many cats?")
    assert (answer.status, answer.output.text, answer.output.results) == ("refused", "No metric counts cats.", ())


def test_the_agent_of_a_role_without_the_permission_gets_nothing_personal(make: Make) -> None:
    refusal = Call("refusal", {"text": "This is personal.", "reason": "personal data"})
    model, api = make(GIFTS, refusal, model_is_local=True)
    # the owner asks the analyst, who may less
    assert ask(api, "Who gave how much?").status == "refused"
    assert "gifts_received: computed from personal data, which this role may not read" in model.received
    assert "Grandma" not in model.received and "42.5" not in model.received


@pytest.mark.parametrize("is_local", [False, True])
def test_personal_rows_go_to_a_local_model_only_and_always_to_the_caller(make: Make, is_local: bool) -> None:
    handover = Call("ask_metrics", {"question": "Who gave how much?"})
    said = Call("answer", {"text": "The gifts by giver are shown."})
    model, api = make(handover, GIFTS, said, model_is_local=is_local)
    answer = ask(api, "Who gave how much?", role=Role.OWNER)
    assert answer.status == "answered"
    assert answer.output.results[0].rows == (("Grandma", 20.0), ("Grandpa", 22.5))
    assert ("Grandma" in model.received) == is_local
    assert ("2 rows, hidden because they are personal" in model.received) == (not is_local)


def test_a_conversation_continues_for_its_token_only(make: Make) -> None:
    model, api = make(LOADED, GOOD, LOADED, GOOD, LOADED, GOOD)
    first = ask(api)
    second = ask(api, "And now?", session=first.session)
    assert second.session == first.session
    texts = [str(request["messages"]) for request in model.requests]
    assert "How many rows were loaded?" in texts[2] and "And now?" in texts[2]
    other = api.by(Role.ANALYST).post("/agents/execute", json={"prompt": "Mine", "session": first.session})
    assert other.status_code == 200
    assert "How many rows were loaded?" not in str(model.requests[4]["messages"])


def test_a_stream_says_what_the_agent_does(make: Make) -> None:
    _, api = make(Call("list_metrics"), Call("describe", {"name": "loaded_rows"}), LOADED, GOOD)
    answer = api.by(Role.OWNER).post("/agents/stream", json={"prompt": "How many rows were loaded?"})
    events = [AgentEvent.model_validate_json(line[6:]) for line in answer.text.splitlines() if line[:6] == "data: "]
    assert [event.text for event in events] == [
        "looks which metrics there are",
        "looks what loaded_rows means",
        "asks for loaded_rows",
        "",
    ]
    assert events[-1].answer and events[-1].answer.status == "answered"
    assert api.calls()[-1]["input_tokens"] == 4 * INPUT_TOKENS


def test_a_model_that_never_ends_is_stopped(make: Make) -> None:
    model, api = make(LOADED)
    answer = ask(api)
    assert answer.status == "failed"
    assert f"within {REQUESTS_MAX} requests and {TOOL_CALLS_MAX} tool calls" in answer.output.text
    assert len(model.requests) <= REQUESTS_MAX


@pytest.mark.parametrize(
    ("provider", "script", "settings", "said"),
    [
        ("anthropic", Fail(401), {}, "The provider of the model refused the key; correct MODEL_API_KEY."),
        ("openai-chat", Fail(401), {}, "The provider of the model refused the key; correct MODEL_API_KEY."),
        ("anthropic", Fail(404), {}, "The model anthropic:some-model is not available ("),
        ("ollama", Fail(404), {}, "The model ollama:some-model is not available ("),
        ("openai-chat", Fail(200, 1), {"model_timeout_seconds": 0.2}, "did not answer within 0.2 seconds"),
    ],
)
def test_a_failure_of_the_model_says_what_to_do_and_quotes_nothing(
    make: Make, provider: str, script: Fail, settings: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, api = make(script, provider=provider, **settings)
    answer = ask(api)
    assert answer.status == "failed"
    assert said in answer.output.text
    assert "Grandma" not in answer.output.text + capsys.readouterr().out


def test_a_provider_without_a_key_is_named(published: Settings) -> None:
    api = Api(published.model_copy(update={"model": "anthropic:some-model"}))
    answer = api.by(Role.OWNER).post("/agents/execute", json={"prompt": "How many?"})
    assert problem(answer, 503).startswith("MODEL=anthropic:some-model needs a key; set MODEL_API_KEY, or ")


@pytest.mark.parametrize("name", ["openai:gpt", "gpt", "anthropic:", "ollama"])
def test_a_model_of_an_unknown_provider_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MODEL", name)
    with pytest.raises(UsageError, match="setting MODEL: .*must be anthropic:NAME, openai-chat:NAME or ollama:NAME"):
        Settings.load()
