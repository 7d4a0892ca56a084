"""The HTTP API: what may be asked, in one application.

Around the endpoints are two layers: `Audit` records every call, and `Guard` lets only callers with a token through.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data_stack.errors import DataStackError
from data_stack.ops import Ops
from data_stack.settings import Settings
from serving.audit import Audit, get_call
from serving.executor import Executor, choose_executor, make_tools
from serving.guard import Guard
from serving.limits import RateLimit
from serving.open_metrics import OpenMetrics
from serving.platform import Platform
from serving.problems import MEDIA_TYPE, answer_error, answer_problem, describe_validation
from serving.roof import LineageReader, Roof, RunStarter
from serving.routes import agents, health, lineage, metrics, runs

_DESCRIPTION = (
    "Metrics, runs, lineage and agents of the data platform. Each token has a role, which says what it may do. "
    "Every failure has the form `Problem`."
)


def make_app(
    settings: Settings,
    read_lineage: LineageReader,
    executor: Executor | None = None,
    start_run: RunStarter | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        settings: The data folder, the limits.
        read_lineage: Answers where data comes from.
        executor: Answers prompts; None: what the settings say, which without a model is how to set one.
        start_run: Starts a run that a caller has confirmed; None: no agent starts runs.

    Returns:
        An ASGI application.

    Raises:
        TerminalError: The run records have a schema that cannot be used here.
    """
    ops = Ops(settings)
    # no pages with the documentation: they would fetch their scripts from the network
    app = FastAPI(
        title="data-stack", version="1", description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=_live
    )
    opened = OpenMetrics(settings)
    tools = make_tools(settings)
    executor = executor or choose_executor(settings, opened, Roof(read_lineage, start_run), tools)
    app.state.platform = Platform(settings, ops, opened, read_lineage, tools, executor)
    for routes in (health, metrics, runs, lineage, agents):
        app.include_router(routes.router)
    app.add_exception_handler(DataStackError, _answer_our_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    # the last one added is the outermost
    app.add_middleware(Guard, ops=ops, limit=RateLimit(settings.api_rate_limit))
    app.add_middleware(Audit, ops=ops, keep_days=settings.api_audit_keep_days)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _live(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.platform.metrics.close()
    app.state.platform.tools.close()


def _answer_our_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DataStackError)  # noqa: S101 - registered for this class
    return answer_error(error, get_call(request).request_id)


def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    detail = f"{request.method} {request.url.path}: {error.detail}; /openapi.json describes what there is"
    return answer_problem(error.status_code, detail, get_call(request).request_id, dict(error.headers or {}))


def _answer_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    return answer_problem(422, describe_validation(error.errors()), get_call(request).request_id)


def _describe(app: FastAPI) -> dict[str, Any]:
    """The description of the API, in which problems have their own media type."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400:
                        answer["content"] = {MEDIA_TYPE: next(iter(answer["content"].values()))}
    return app.openapi_schema or {}
