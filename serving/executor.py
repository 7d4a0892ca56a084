"""Who answers prompts: the seam between the API and the agents."""

import secrets
from collections.abc import AsyncIterator
from threading import Lock
from typing import Protocol

from anyio.to_thread import run_sync

from data_stack.api_messages import AgentAnswer, AgentEvent, AgentOutput, AgentRequest
from data_stack.settings import Settings
from serving.mcp_tools import Tools
from serving.open_metrics import OpenMetrics
from serving.roof import Roof
from serving.tokens import Caller


class Executor(Protocol):
    """Answers prompts."""

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        """Answer a prompt.

        Args:
            request: The prompt and the agent; the caller may use this agent.
            caller: Who asks.
        """

    def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        """Answer a prompt, and say meanwhile what happens.

        Args:
            request: The prompt and the agent; the caller may use this agent.
            caller: Who asks.

        Yields:
            Steps, and the answer at the end.
        """


def make_tools(settings: Settings) -> Tools:
    """What reads tables and run records for the agents; personal rows only for a model on this machine."""
    return Tools(settings, shows_personal=settings.model_is_local)


def choose_executor(
    settings: Settings, metrics: OpenMetrics, roof: Roof | None = None, tools: Tools | None = None
) -> Executor:
    """What answers prompts with these settings.

    Args:
        settings: With or without a model.
        metrics: Of the present publication.
        roof: Reads the lineage, starts runs; None: no agent has these tools.
        tools: Read tables and run records; None makes them.
    """
    if not settings.model:
        return NotConfigured()
    return Deferred(settings, metrics, roof or Roof(), tools or make_tools(settings))


def new_session() -> str:
    """A new identifier of a conversation."""
    return secrets.token_hex(16)


class Deferred:
    """The agents, made at the first prompt: their libraries take seconds to import.

    Args:
        settings: With a model.
        metrics: Of the present publication.
        roof: Reads the lineage, starts runs.
        tools: Read tables and run records.
    """

    def __init__(self, settings: Settings, metrics: OpenMetrics, roof: Roof, tools: Tools) -> None:
        self._roof = roof
        self._tools = tools
        self._settings = settings
        self._metrics = metrics
        self._lock = Lock()
        self._made: Executor | None = None

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        """See `Executor`."""
        return await (await run_sync(self._make)).execute(request, caller)

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        """See `Executor`."""
        async for event in (await run_sync(self._make)).stream(request, caller):
            yield event

    def _make(self) -> Executor:
        from serving.chat import Chat
        from serving.models import make_model

        with self._lock:
            if self._made is None:
                model = make_model(self._settings)
                self._made = Chat(self._settings, self._metrics, self._roof, self._tools, model)
        return self._made


class NotConfigured:
    """Answers where no model is set: how to set one."""

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        """Say how to set a model."""
        text = (
            "No model is set, so no agent answers. Set MODEL in the environment or in .env, for example "
            "MODEL=anthropic:NAME or MODEL=ollama:NAME, and start the API again. Metrics need no model."
        )
        return AgentAnswer(
            status="not_configured",
            role=request.role,
            session=request.session or new_session(),
            output=AgentOutput(text=text),
        )

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        """Say how to set a model."""
        yield AgentEvent(kind="answer", answer=await self.execute(request, caller))
