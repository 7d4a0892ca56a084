"""What the endpoints answer from: the published file, the run records, and the parts that the roof gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from starlette.requests import Request

from data_stack.metrics.door import Metrics
from data_stack.ops import Ops
from data_stack.settings import Settings
from serving.executor import Executor


class OpenMetrics:
    """The metrics, opened at the first question: the API starts also where nothing is published yet.

    Args:
        settings: Whose published file answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._opened: Metrics | None = None

    def open(self) -> Metrics:
        """The metrics of the present publication.

        Raises:
            TerminalError: Nothing has been published yet, or by a version without metrics.
        """
        with self._lock:
            self._opened = self._opened or Metrics(self._settings)
        return self._opened

    def close(self) -> None:
        """Close the published file."""
        with self._lock:
            if self._opened:
                self._opened.close()
            self._opened = None


LineageReader = Callable[[str], Mapping[str, Any]]
"""The nodes of a name, with what is upstream and downstream of them; raises NotFoundError for an unknown name."""


@dataclass(frozen=True)
class Platform:
    """What the endpoints answer from.

    Attributes:
        settings: Of the platform.
        ops: The run records.
        metrics: Of the present publication.
        read_lineage: Given by the roof, because only the roof knows all modules.
        executor: Answers prompts.
    """

    settings: Settings
    ops: Ops
    metrics: OpenMetrics
    read_lineage: LineageReader
    executor: Executor


def get_platform(request: Request) -> Platform:
    """What the application of a request answers from."""
    platform: Platform = request.app.state.platform
    return platform
