"""Where data comes from and what it reaches."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from serving.roles import Permission
from serving.routes.dependencies import BEARER, PlatformOf, allow, document_problems

router = APIRouter(tags=["lineage"], dependencies=[BEARER, allow(Permission.READ_LINEAGE)])


class LineageNode(BaseModel):
    """Something that data goes through.

    Attributes:
        kind: Such as provider, model or page.
        name: Among those of its kind.
        layer: Schema of a model.
        files: That define it, relative to the repository.
        task: Of the DAG that runs it.
        owner: The specialist of its files; None where that is not known.
    """

    kind: str
    name: str
    layer: str | None
    files: list[str]
    task: str | None
    owner: str | None


class LineageOfNode(BaseModel):
    """The nodes of a name, what their data comes from, and what it reaches."""

    nodes: list[LineageNode]
    upstream: list[LineageNode]
    downstream: list[LineageNode]


@router.get("/lineage/{node:path}", responses=document_problems(404))
def read_lineage(
    platform: PlatformOf,
    node: Annotated[
        str, Path(min_length=1, max_length=200, description="A source, table, model, page, notebook or file.")
    ],
) -> LineageOfNode:
    """Where the data of a node comes from and what it reaches, as `data-stack lineage` shows it."""
    return LineageOfNode.model_validate(platform.read_lineage(node))
