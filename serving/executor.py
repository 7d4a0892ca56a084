"""Who answers prompts: the seam between the API and the agents."""

import secrets
from collections.abc import AsyncIterator
from typing import Protocol

from data_stack.api_messages import AgentAnswer, AgentEvent, AgentOutput, AgentRequest
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


def new_session() -> str:
    """A new identifier of a conversation."""
    return secrets.token_hex(16)


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
