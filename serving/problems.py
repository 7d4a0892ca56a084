"""Failures as answers of HTTP: one form for all of them, with the status that each kind of error has."""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.responses import Response

from data_stack.api_messages import Problem
from data_stack.errors import (
    DataStackError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    TerminalError,
    TooManyCallsError,
    TransientError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"

# the first class that fits; of two, the one that says more comes first
_STATUSES: tuple[tuple[type[DataStackError], HTTPStatus], ...] = (
    (NotAuthenticatedError, HTTPStatus.UNAUTHORIZED),
    (NotAllowedError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TooManyCallsError, HTTPStatus.TOO_MANY_REQUESTS),
    # the platform cannot answer now: until a writer is done, or until somebody acts
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
    (TerminalError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DataStackError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
_RETRY_SECONDS = 5


def answer_error(error: DataStackError, request_id: str) -> Response:
    """The answer to a call that failed with one of our errors.

    Args:
        error: Whose message the caller may see.
        request_id: Of the call.
    """
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(getattr(error, "retry_after_seconds", _RETRY_SECONDS))
    return answer_problem(status, str(error), request_id, headers)


def answer_problem(status: int, detail: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says why a call failed.

    Args:
        status: Of HTTP.
        detail: What failed, why and what to do.
        request_id: Of the call.
        headers: Beside those of every answer.
    """
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, request_id=request_id)
    return Response(problem.model_dump_json(), int(status), headers, MEDIA_TYPE)


def describe_validation(errors: Iterable[dict[str, object]]) -> str:
    """What is wrong with a request, without the values that it has, which can be personal.

    Args:
        errors: Of pydantic.
    """
    parts = [f"{'.'.join(map(str, _as_tuple(error['loc'])))}: {error['msg']}" for error in errors]
    return f"the request cannot be used: {'; '.join(parts)}; correct it as /openapi.json describes it"


def _as_tuple(location: object) -> tuple[object, ...]:
    return location if isinstance(location, tuple) else (location,)
