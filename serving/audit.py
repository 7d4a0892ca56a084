"""The record of every call, whatever its answer: who, what, how it ended, how long it took and what it cost.

The text of a question is never kept, because it can be about a person; its hash shows that two questions are the same.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import structlog
from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_stack.api_messages import AgentUsage
from data_stack.ops import CallRecord, Ops, utc_now
from data_stack.redaction import describe_unexpected_error
from serving.problems import answer_problem
from serving.tokens import Caller

REQUEST_ID_HEADER = "X-Request-ID"
# what another program sent is written to logs: no line break, no markup, no length
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_log = structlog.get_logger()


@dataclass
class Call:
    """What is known of a call while it is answered; the answering code adds to it.

    Attributes:
        request_id: That of the caller, if it can be used.
        caller: Who calls, once that is known.
        question: A prompt to an agent.
        usage: What a model cost.
        status: Of the answer, once it has begun.
        is_recorded: Whether its record is written, or tried to be.
    """

    request_id: str
    caller: Caller | None = None
    question: str | None = None
    usage: AgentUsage | None = None
    status: int | None = None
    is_recorded: bool = False
    called_at_utc: str = field(default_factory=utc_now)
    began: float = field(default_factory=time.perf_counter)


def get_call(request: Request) -> Call:
    """The call that a request belongs to."""
    call: Call = request.state.call
    return call


class Audit:
    """The outermost layer: gives each call an identifier, answers unexpected errors with 500, and records the call.

    Args:
        app: What answers.
        ops: Where calls are recorded.
        keep_days: How long.
    """

    def __init__(self, app: ASGIApp, ops: Ops, keep_days: int) -> None:
        self._app = app
        self._ops = ops
        self._keep_days = keep_days
        self._cleaned_on = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(_choose_request_id(Headers(scope=scope).get(REQUEST_ID_HEADER)))
        scope.setdefault("state", {})["call"] = call
        with structlog.contextvars.bound_contextvars(request_id=call.request_id):
            try:
                await self._answer(scope, receive, send, call)
            finally:
                # a caller that has gone meanwhile
                await self._record(scope, call)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = call.request_id
            elif not message.get("more_body"):
                # before the end of the answer, so that who has the answer finds the record
                await self._record(scope, call)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            # not raised again: the server would log the whole traceback, which can quote a row
            _log.error("a call failed unexpectedly", error=describe_unexpected_error(error))
            if call.status is None:
                detail = f"the call failed unexpectedly; the log of the API has the reason under {call.request_id}"
                await answer_problem(500, detail, call.request_id)(scope, receive, send_with_id)

    async def _record(self, scope: Scope, call: Call) -> None:
        if not call.is_recorded:
            call.is_recorded = True
            with anyio.CancelScope(shield=True):
                await run_sync(self._write_record, _describe_call(scope, call))

    def _write_record(self, record: CallRecord) -> None:
        _log.info("call", method=record.method, path=record.path, status=record.status, ms=record.milliseconds)
        try:
            self._ops.record_call(record)
            self._remove_old(record.called_at_utc[:10])
        except Exception as error:
            # the answer does not depend on it
            _log.error("a call could not be recorded", error=describe_unexpected_error(error))

    def _remove_old(self, today: str) -> None:
        if today != self._cleaned_on:
            self._ops.remove_calls(utc_now(-timedelta(days=self._keep_days)))
            self._cleaned_on = today


def _describe_call(scope: Scope, call: Call) -> CallRecord:
    question, usage, caller = call.question, call.usage, call.caller
    return CallRecord(
        called_at_utc=call.called_at_utc,
        request_id=call.request_id,
        token_id=caller.token_id if caller else None,
        role=caller.role if caller else None,
        method=scope["method"],
        # the path itself can have any text
        path=getattr(scope.get("route"), "path_format", ""),
        # a caller that went away before the answer, as servers record it
        status=call.status or 499,
        milliseconds=round((time.perf_counter() - call.began) * 1000, 1),
        question_sha256=hashlib.sha256(question.encode()).hexdigest() if question is not None else None,
        question_length=len(question) if question is not None else None,
        model=usage.model if usage else None,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cost_usd=usage.cost_usd if usage else None,
    )


def _choose_request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
