"""What endpoints have in common: the call, the caller and its permissions, the platform, the documented problems."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import HTTPBearer

from data_stack.api_messages import Problem
from serving.audit import Call, get_call
from serving.guard import get_caller
from serving.platform import Platform, get_platform
from serving.roles import Permission, require
from serving.tokens import Caller

CallOf = Annotated[Call, Depends(get_call)]
CallerOf = Annotated[Caller, Depends(get_caller)]
PlatformOf = Annotated[Platform, Depends(get_platform)]

# for the description of the API: the guard has read the token already
BEARER = Security(HTTPBearer(auto_error=False, description="Made by `data-stack api token create`."))


def allow(permission: Permission) -> Any:
    """A dependency that stops callers without a permission.

    Args:
        permission: What an endpoint needs.
    """

    def check(caller: CallerOf) -> None:
        require(caller.role, permission)

    return Depends(check)


def document_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of an endpoint that fails.

    Args:
        statuses: Those beside the ones that every endpoint with a token has.
    """
    every = (401, 403, 422, 429, 500, 503)
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in sorted({*every, *statuses})
    }
