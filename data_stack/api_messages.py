"""What the HTTP API takes and answers beside metrics, as typed values; its server and its client share them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from data_stack.metrics.query import MetricResult
from data_stack.role import Role

PROMPT_MAX = 4_000
"""Characters of a prompt at most."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(_Strict):
    """Why a call failed, in the form of RFC 9457.

    Attributes:
        type: `about:blank`, because the status says what kind of problem it is.
        title: The name of the status.
        status: The HTTP status.
        detail: What failed, why and what to do.
        request_id: Of the call, as in the logs and the audit records.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str


class AgentRequest(_Strict):
    """A prompt to an agent.

    Attributes:
        role: Which agent; it may do what this role may do.
        prompt: The question.
        session: Of an earlier answer, to continue the conversation; None begins one.
    """

    role: Role = Role.ANALYST
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_MAX)]
    session: Annotated[str, Field(pattern=r"^[a-z0-9]{16,64}$")] | None = None


class AgentOutput(_Strict):
    """What an agent says.

    Attributes:
        text: For people; never markup.
        choices: Prompts to continue with, where the agent asks back.
        results: The metric queries that it ran, with their rows.
    """

    text: str
    choices: tuple[str, ...] = ()
    results: tuple[MetricResult, ...] = ()


class AgentCheck(_Strict):
    """A check of an answer before it was given.

    Attributes:
        name: What is checked.
        passed: Whether the answer passed it.
        detail: What was found; empty if nothing.
    """

    name: str
    passed: bool
    detail: str = ""


class AgentUsage(_Strict):
    """What an answer cost.

    Attributes:
        model: Its name, with the provider.
        requests: To the model.
        tool_calls: Of the model.
        input_tokens: Of all requests.
        output_tokens: Of all requests.
        cost_usd: None where the price of the model is not known.
    """

    model: str
    requests: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None


class AgentAnswer(_Strict):
    """The answer of an agent.

    Attributes:
        status: `question` asks back; `failed` is an agent that did not come to an answer.
        role: The agent.
        session: To continue the conversation.
        output: What it says.
        checks: Of the answer, each passed where the status is `answered`.
        usage: None where no model was asked.
    """

    status: Literal["answered", "question", "refused", "failed", "not_configured"]
    role: Role
    session: str
    output: AgentOutput
    checks: tuple[AgentCheck, ...] = ()
    usage: AgentUsage | None = None


class AgentEvent(_Strict):
    """A part of a streamed answer.

    Attributes:
        kind: `step` while the agent works; the last event is the `answer`.
        text: Of a step: what the agent does, for people.
        answer: Of the last event.
    """

    kind: Literal["step", "answer"]
    text: str = ""
    answer: AgentAnswer | None = None
