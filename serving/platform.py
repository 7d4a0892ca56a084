"""What the endpoints answer from: the published file, the run records, and the parts that the roof gives them."""

from dataclasses import dataclass

from starlette.requests import Request

from data_stack.ops import Ops
from data_stack.settings import Settings
from serving.executor import Executor
from serving.mcp_tools import Tools
from serving.open_metrics import OpenMetrics
from serving.roof import LineageReader


@dataclass(frozen=True)
class Platform:
    """What the endpoints answer from.

    Attributes:
        settings: Of the platform.
        ops: The run records.
        metrics: Of the present publication.
        read_lineage: Given by the roof, because only the roof knows all modules.
        tools: Read tables and run records for the agents.
        executor: Answers prompts.
    """

    settings: Settings
    ops: Ops
    metrics: OpenMetrics
    read_lineage: LineageReader
    tools: Tools
    executor: Executor


def get_platform(request: Request) -> Platform:
    """What the application of a request answers from."""
    platform: Platform = request.app.state.platform
    return platform
