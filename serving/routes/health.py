"""Whether the API lives, and whether it can answer; for containers and monitoring, without a token."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from data_stack.api_messages import Problem
from data_stack.errors import TerminalError
from data_stack.publications import find_publication
from serving.routes.dependencies import PlatformOf

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The API answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """A publication can be read.

    Attributes:
        publication_id: Which.
        published_at_utc: When it was published.
    """

    status: Literal["ready"] = "ready"
    publication_id: str
    published_at_utc: str


@router.get("/health")
def read_health() -> Alive:
    """Whether the process lives; it says nothing about the data."""
    return Alive()


@router.get("/ready", responses={503: {"model": Problem, "description": "Nothing can be read."}})
def read_ready(platform: PlatformOf) -> Ready:
    """Whether a publication can be read."""
    path = platform.settings.warehouse_file
    publication = find_publication(path)
    if publication is None:
        raise TerminalError(f"there is no published warehouse at {path.name}; `data-stack run` publishes one")
    return Ready(publication_id=publication.publication_id, published_at_utc=publication.row["published_at_utc"])
