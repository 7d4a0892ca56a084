"""Metrics: which there are, what one means, and its values."""

from typing import Annotated, NoReturn

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException

from data_stack.errors import MetricError, NotFoundError
from data_stack.metrics.door import Metrics
from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult, Name
from serving.roles import Permission, require
from serving.routes.dependencies import BEARER, CallerOf, PlatformOf, allow, document_problems

router = APIRouter(prefix="/metrics", tags=["metrics"], dependencies=[BEARER, allow(Permission.READ_METRICS)])


@router.get("", responses=document_problems())
def list_metrics(platform: PlatformOf) -> list[MetricInfo]:
    """All metrics, also those whose values the caller's role may not read."""
    return platform.metrics.open().list()


@router.post("/query", responses=document_problems(400, 404, 413))
def query_metrics(query: MetricQuery, caller: CallerOf, platform: PlatformOf) -> MetricResult:
    """The values of metrics; only some roles may read those that come from personal data."""
    metrics = platform.metrics.open()
    personal = [info.name for name in query.metrics if (info := _describe(metrics, name)).is_personal]
    if personal:
        require(caller.role, Permission.READ_PERSONAL, f"{', '.join(personal)}: computed from personal data")
    return metrics.query(query)


@router.get("/query", include_in_schema=False, response_model=None)
def refuse_get() -> NoReturn:
    """Without it, this would be a metric of the name `query`."""
    raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})


@router.get("/{name}", responses=document_problems(404))
def read_metric(name: Annotated[Name, Path(description="A metric.")], platform: PlatformOf) -> MetricInfo:
    """What a metric means, and what can be asked of it."""
    return _describe(platform.metrics.open(), name)


def _describe(metrics: Metrics, name: str) -> MetricInfo:
    try:
        return metrics.describe(name)
    except MetricError as error:
        raise NotFoundError(str(error)) from None
