"""Prompts to agents, answered at once or as a stream of events."""

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse

from data_stack.api_messages import AgentAnswer, AgentEvent, AgentOutput, AgentRequest
from data_stack.errors import DataStackError
from data_stack.redaction import describe_unexpected_error
from serving.executor import new_session
from serving.roles import require_agent
from serving.routes.dependencies import BEARER, CallerOf, CallOf, PlatformOf, document_problems

router = APIRouter(prefix="/agents", tags=["agents"], dependencies=[BEARER])
_log = structlog.get_logger()


def _check_request(request: AgentRequest, caller: CallerOf, call: CallOf) -> AgentRequest:
    # before the check, so that the record of a refused call has the hash too
    call.question = request.prompt
    require_agent(caller.role, request.role)
    return request


CheckedRequest = Annotated[AgentRequest, Depends(_check_request)]


@router.post("/execute", responses=document_problems(400, 413))
async def execute(request: CheckedRequest, caller: CallerOf, call: CallOf, platform: PlatformOf) -> AgentAnswer:
    """Answer a prompt; the status says whether it is an answer, a question back or a refusal."""
    answer = await platform.executor.execute(request, caller)
    call.usage = answer.usage
    return answer


@router.post("/stream", responses=document_problems(400, 413), response_class=EventSourceResponse)
async def stream(
    request: CheckedRequest, caller: CallerOf, call: CallOf, platform: PlatformOf
) -> AsyncIterator[AgentEvent]:
    """Answer a prompt as server-sent events: steps, and the answer as the last one."""
    try:
        async for event in platform.executor.stream(request, caller):
            if event.answer:
                call.usage = event.answer.usage
            yield event
    except DataStackError as error:
        yield _fail(request, str(error))
    except Exception as error:
        # the answer has begun, so that no status can say it any more
        _log.error("an agent failed unexpectedly", error=describe_unexpected_error(error))
        yield _fail(request, f"the agent failed unexpectedly; the log has the reason under {call.request_id}")


def _fail(request: AgentRequest, text: str) -> AgentEvent:
    session = request.session or new_session()
    answer = AgentAnswer(status="failed", role=request.role, session=session, output=AgentOutput(text=text))
    return AgentEvent(kind="answer", answer=answer)
