"""The runs of the platform, from the run records."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from data_stack.errors import NotFoundError
from serving.roles import Permission
from serving.routes.dependencies import BEARER, PlatformOf, allow, document_problems

router = APIRouter(prefix="/runs", tags=["runs"], dependencies=[BEARER, allow(Permission.READ_RUNS)])

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]+$", max_length=100)]
RunStatus = Literal["running", "succeeded", "failed", "interrupted"]


class RunFilter(BaseModel):
    """Which runs; a name that is not known is refused, so that a typing error does not show all."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=200, description="Runs at most.")
    before: str | None = Field(None, min_length=1, max_length=100, description="Only runs before this one.")
    status: RunStatus | None = Field(None, description="Only runs that ended so.")
    command: str | None = Field(None, min_length=1, max_length=40, description="Only runs of this command.")


class Run(BaseModel):
    """A run.

    Attributes:
        run_id: Its identifier, which begins with its time.
        command: What was started.
        sources: That it handled.
        window_start: First day that was asked for.
        window_end: Last day that was asked for.
        status: How it ended.
        started_at_utc: When it began.
        finished_at_utc: When it ended.
        error: Why it failed, without values of personal columns.
    """

    run_id: str
    command: str
    sources: list[str]
    window_start: str | None
    window_end: str | None
    status: RunStatus
    started_at_utc: str
    finished_at_utc: str | None
    error: str | None


class Step(BaseModel):
    """A step of a run."""

    step: str
    source_name: str | None = Field(validation_alias="source")
    status: str
    started_at_utc: str
    seconds: float | None
    rows: int | None
    detail: str | None


class Load(BaseModel):
    """What a run loaded, and what the gate decided about it."""

    source_name: str = Field(validation_alias="source")
    load_id: str
    state: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_repeated: int
    reason: str | None


class RunDetails(Run):
    """A run with its steps and loads."""

    steps: list[Step]
    loads: list[Load]


class RunPage(BaseModel):
    """Some of the runs, the latest first.

    Attributes:
        runs: The runs.
        next_before: For `before` in the next call; None at the end.
    """

    runs: list[Run]
    next_before: str | None


@router.get("", responses=document_problems(404))
def list_runs(
    platform: PlatformOf,
    chosen: Annotated[RunFilter, Query()],
) -> RunPage:
    """The runs, the latest first."""
    if chosen.before and platform.ops.find_run(chosen.before) is None:
        raise _no_run(chosen.before)
    found = platform.ops.find_runs(chosen.limit + 1, chosen.status or "", chosen.command or "", chosen.before or "")
    runs = [_make_run(row) for row in found[: chosen.limit]]
    return RunPage(runs=runs, next_before=runs[-1].run_id if len(found) > chosen.limit else None)


@router.get("/{run_id}", responses=document_problems(404))
def read_run(platform: PlatformOf, run_id: RunId) -> RunDetails:
    """A run with its steps, and with its loads and what the gate decided about them."""
    row = platform.ops.find_run(run_id)
    if row is None:
        raise _no_run(run_id)
    steps = platform.ops.query("select * from steps where run_id = ? order by rowid", [run_id])
    loads = platform.ops.query("select * from loads where run_id = ? order by rowid", [run_id])
    return RunDetails(
        **_make_run(row).model_dump(), steps=[Step(**step) for step in steps], loads=[Load(**load) for load in loads]
    )


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError(f"there is no run {run_id!r}; GET /runs lists them")


def _make_run(row: dict[str, Any]) -> Run:
    return Run(**{**row, "sources": [name for name in row["sources"].split(",") if name]})
