"""The door to the metrics: what can be asked, and answers from the published file, for all fronts and threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from data_stack.metrics.catalog import Metric
from data_stack.metrics.published import PublishedMetrics
from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult
from data_stack.metrics.question import Question
from data_stack.settings import Settings
from data_stack.warehouse import connect_warehouse


@contextmanager
def open_metrics(settings: Settings) -> Iterator["Metrics"]:
    """Open the metrics for the length of a block, which may be as long as the process.

    Args:
        settings: Whose published file answers.

    Raises:
        TerminalError: Nothing has been published yet, or by a version without metrics.
    """
    metrics = Metrics(settings)
    try:
        yield metrics
    finally:
        metrics.close()


class Metrics:
    """Answers questions about the metrics; several threads may ask at once.

    Every question looks whether there is a new publication, as the pages do.

    Args:
        settings: Whose published file answers.

    Raises:
        TerminalError: Nothing has been published yet, or by a version without metrics.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.warehouse_file
        self._lock = Lock()
        self._version = self._read_version()
        self._opened = _open_file(self._path)

    def close(self) -> None:
        """Close the published file; questions that run meanwhile end well."""
        self._opened.db.close()

    def list(self) -> list[MetricInfo]:
        """All metrics, by name."""
        found = self._open()
        return [_describe(found, metric) for metric in found.catalog.metrics.values()]

    def describe(self, name: str) -> MetricInfo:
        """What a metric means, and what can be asked of it.

        Args:
            name: The metric.

        Raises:
            MetricError: There is no such metric; names near ones.
        """
        found = self._open()
        return _describe(found, found.catalog.find(name))

    def query(self, query: MetricQuery) -> MetricResult:
        """Answer a question.

        Args:
            query: The question.

        Returns:
            The answer; without rows where nothing is loaded, as a note says then.

        Raises:
            MetricError: The metrics do not answer this; the sentence says what they do.
        """
        return Question(self._open(), query).answer()

    def _open(self) -> PublishedMetrics:
        with self._lock:
            version = self._read_version()
            if version != self._version:
                # cursors of the earlier file stay open until their queries end
                self._opened = _open_file(self._path)
                self._version = version
            return self._opened

    def _read_version(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def _open_file(path: Path) -> PublishedMetrics:
    db = connect_warehouse(path)
    try:
        return PublishedMetrics(db)
    except BaseException:
        db.close()
        raise


def _describe(publication: PublishedMetrics, metric: Metric) -> MetricInfo:
    untils = [publication.find_days(model).until for model in metric.models]
    return MetricInfo(
        name=metric.name,
        label=metric.label,
        description=metric.description,
        unit=metric.unit,
        owner=metric.owner,
        kind=metric.kind,
        dimensions=tuple(metric.dimensions),
        grains=metric.grains,
        data_until=min((day for day in untils if day), default=None) if all(untils) else None,
        is_personal=metric.is_personal,
        needs_grain=metric.needs_grain,
    )
