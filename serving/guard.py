"""The layer before the endpoints: only callers with a token, within their limit, with a body that is not too large."""

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_stack.errors import DataStackError, NotAuthenticatedError
from data_stack.ops import Ops
from serving.audit import Call
from serving.limits import RateLimit
from serving.problems import answer_error, answer_problem
from serving.tokens import Caller, authenticate

PUBLIC_PATHS = frozenset({"/health", "/ready", "/openapi.json"})
"""What may be asked without a token."""
BODY_BYTES_MAX = 64 * 1024
"""The largest request."""

_TOO_LARGE = f"the request has more than {BODY_BYTES_MAX:,} bytes; send a smaller one"


class Guard:
    """Lets a call through to the endpoints, or answers why not.

    Args:
        app: The endpoints.
        ops: The recorded tokens.
        limit: How many calls each token may make, and each address without a valid one.
    """

    def __init__(self, app: ASGIApp, ops: Ops, limit: RateLimit) -> None:
        self._app = app
        self._ops = ops
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call: Call = scope["state"]["call"]
        headers = Headers(scope=scope)
        if scope["path"] not in PUBLIC_PATHS:
            try:
                call.caller = await self._admit(headers, scope)
            except DataStackError as error:
                await answer_error(error, call.request_id)(scope, receive, send)
                return
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > BODY_BYTES_MAX:
            await answer_problem(413, _TOO_LARGE, call.request_id)(scope, receive, send)
            return
        await self._app(scope, _limit_body(receive), send)

    async def _admit(self, headers: Headers, scope: Scope) -> Caller:
        try:
            caller = await run_sync(authenticate, self._ops, _read_token(headers))
        except NotAuthenticatedError:
            # who guesses tokens is slowed down too
            self._limit.count(f"address {scope['client'][0] if scope.get('client') else ''}")
            raise
        self._limit.count(f"token {caller.token_id}")
        return caller


def get_caller(request: Request) -> Caller:
    """Who makes a request, which the guard has found out.

    Raises:
        NotAuthenticatedError: Nobody knows.
    """
    call: Call = request.state.call
    if call.caller is None:
        raise NotAuthenticatedError("the call has no token; send the header Authorization: Bearer TOKEN")
    return call.caller


def _read_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _limit_body(receive: Receive) -> Receive:
    """Stops a body that is longer than it says, or does not say how long it is."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_BYTES_MAX:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return receive_some
