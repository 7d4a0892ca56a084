"""The metrics of the present publication, for as long as the process lives."""

from threading import Lock

from data_stack.metrics.door import Metrics
from data_stack.settings import Settings


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
