"""The steps of the pipeline. The command line and the Airflow DAG call these and add no logic of their own."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_stack import publish as publishing
from data_stack.errors import GateFailedError, TerminalError
from data_stack.gate import pending_loads
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.ops import Ops
from data_stack.raw import has_tables
from data_stack.registry import SOURCES, Source, get_source
from data_stack.settings import Settings
from data_stack.window import Window

if TYPE_CHECKING:
    from data_quality.runner import GateReport
    from data_stack.transform import TransformReport
    from dlt_pipeline.load import IngestReport
    from dlt_pipeline.source import Plan


def _silent(what: str, done: int, total: int | None) -> None:
    return None


@dataclass
class Run:
    """What every step needs: one data folder, and the run that the records belong to.

    Attributes:
        settings: The platform's settings.
        ops: The records.
        locks: The locks, in the run's name.
        run_id: The run.
        progress: Told about long work: what, done, total.
        on_node: Told about each dbt node: its name and status.
    """

    settings: Settings
    ops: Ops
    locks: Locks
    run_id: str
    progress: Callable[[str, int, int | None], None] = field(default=_silent)
    on_node: Callable[[str, str], None] | None = None

    @classmethod
    def begin(cls, settings: Settings, run_id: str, command: str) -> "Run":
        """A run's context; `Ops.run` records the run itself."""
        return cls(settings, Ops(settings.ops_dir), Locks(settings.locks_dir, f"{command} {run_id}"), run_id)


@dataclass(frozen=True)
class PublishReport:
    """What `publish` did: the publication that readers see, and whether it is a pinned one that was left alone."""

    publication_id: str
    is_pinned: bool

    @property
    def pin_sentence(self) -> str:
        """Why nothing was published, where one is pinned."""
        return f"{self.publication_id} is pinned by a rollback, so nothing was published; `data-stack publish` does"


def hold_everything(run: Run) -> AbstractContextManager[None]:
    """Hold all that a whole run touches, so that a second run is refused at once and not half-way.

    The raw files of sources that are not ingested are held too: the gate reads them, and a missing one is created.
    """
    raw_files = [source.lock for source in SOURCES]
    return run.locks.hold(*raw_files, "build", "publish", wait_seconds=PATIENCE_SECONDS)


def summary(run: Run) -> list[str]:
    """What a run did, in lines for a log: its steps, and what readers see now."""
    steps = run.ops.query(
        "select step, source, seconds, detail from steps where run_id = ? and status = 'succeeded' order by rowid",
        [run.run_id],
    )
    lines = [
        f"{' '.join(filter(None, (row['step'], row['source'])))}: {row['detail'] or 'done'} ({row['seconds']:.1f} s)"
        for row in steps
    ]
    current = run.ops.current_publication()
    if current is None:
        return lines
    published = [
        f"{name}: {found['rows']:,} rows through {found['data_through'] or 'no day'}"
        for name, found in current["sources"].items()
    ]
    return [*lines, f"readers see publication {current['publication_id']}", *published]


def resolve_window(settings: Settings, window: Window | None, sources: Sequence[str]) -> Window | None:
    """The window asked for, else the latest month that the bike provider lists; None if no source needs one.

    Args:
        settings: For the provider.
        window: What the user gave.
        sources: Names of the sources that are to be loaded.

    Raises:
        TerminalError: The provider lists no month.
    """
    if window is not None or not any(get_source(name).has_window for name in sources):
        return window
    from dlt_pipeline.load import open_source

    latest = open_source("bike", settings).latest_month()
    if latest is None:
        raise TerminalError(
            "the bike provider lists no month; check BIKE_BASE_URL and BIKE_SYSTEM, or give --from and --to"
        )
    return Window.of_month(latest)


def plan(settings: Settings, source: str, window: Window | None) -> "Plan[Any]":
    """What `ingest` would fetch; writes nothing."""
    from dlt_pipeline.load import plan as plan_source

    with Locks(settings.locks_dir, "dry run").hold(get_source(source).lock, shared=True):
        return plan_source(source, settings, window)


def ingest(run: Run, source: str, window: Window | None) -> "IngestReport":
    """Load what is new of a source into its raw file; the load is pending until it passes its gate.

    Raises:
        TerminalError, TransientError: See `dlt_pipeline.load.ingest`.
    """
    from dlt_pipeline.load import ingest as ingest_source

    get_source(source)
    with run.ops.step(run.run_id, "ingest", source) as record:
        report = ingest_source(source, run.settings, run.ops, run.run_id, window, run.progress, run.locks)
        record.rows, record.detail = report.counts.loaded, "; ".join(filter(None, (str(report.counts), report.note)))
    return report


def validate(run: Run, sources: Sequence[Source] = SOURCES) -> "list[GateReport]":
    """Run the suite of every load that has not passed.

    Raises:
        GateFailedError: A critical expectation failed; names expectation, column, count and example keys.
    """
    from data_quality.runner import explain
    from data_quality.runner import validate as validate_loads

    with run.locks.hold(*(source.lock for source in sources), shared=True):
        step = ",".join(source.name for source in sources) if len(sources) < len(SOURCES) else None
        with run.ops.step(run.run_id, "validate", step) as record:
            reports = validate_loads(run.settings, run.ops, run.run_id, sources)
            record.detail = f"{sum(report.checked for report in reports)} expectations on {len(reports)} loads"
            if any(not report.passed for report in reports):
                raise GateFailedError(explain(reports))
    return reports


def accept(settings: Settings, load_id: str, reason: str) -> str:
    """Let a load through although its suite failed; stays on record.

    Returns:
        The name of its source.

    Raises:
        UsageError: There is no such load, or it needs no acceptance.
    """
    ops = Ops(settings.ops_dir)
    for source in SOURCES:
        with Locks(settings.locks_dir, "accept").hold(source.lock, shared=True):
            if load_id in pending_loads(settings, ops, source):
                ops.know_load(source.name, load_id)
    return ops.accept_load(load_id, reason)


def transform(run: Run, full_refresh: bool = False) -> "TransformReport":
    """Build staging, core and marts with their tests.

    Raises:
        GateFailedError: A load has not passed.
        TerminalError: A model or test failed; the published warehouse stays as it is.
    """
    from data_stack.transform import transform as build

    raw_files = [source.lock for source in SOURCES]
    with run.locks.hold("build"), run.ops.step(run.run_id, "transform") as record:
        _ensure_raw_files(run)
        marker = publishing.build_marker(run.settings)
        with run.locks.hold(*raw_files, shared=True):
            marker.unlink(missing_ok=True)
            report = build(run.settings, run.ops, run.run_id, full_refresh, run.on_node)
            marker.touch()
        units = "unit tests included" if report.full_refresh else "unit tests run when the project changes"
        record.detail = f"{report.models} models, {report.tests} tests; {units}"
    return report


def _ensure_raw_files(run: Run) -> None:
    """A source that was never loaded gets its tables, empty, so that everything builds without it."""
    from dlt_pipeline.load import ensure_tables

    with run.locks.hold(*(source.lock for source in SOURCES), shared=True):
        missing = [source for source in SOURCES if not has_tables(run.settings, source.name)]
    for source in missing:
        with run.locks.hold(source.lock):
            ensure_tables(run.settings, source.name)


def publish(run: Run, unpin: bool = False) -> PublishReport:
    """Publish the build, unless a rollback has pinned an earlier publication.

    Args:
        run: The run.
        unpin: Publish all the same and end the pin, as the explicit command does.

    Raises:
        GateFailedError: A load has not passed.
        TerminalError: There is no complete build.
    """
    with run.ops.step(run.run_id, "publish") as record:
        current = run.ops.current_publication()
        if current and current["pinned_at_utc"] and not unpin:
            record.detail = f"{current['publication_id']} is pinned; nothing was published"
            return PublishReport(current["publication_id"], is_pinned=True)
        publication_id = publishing.publish(run.settings, run.ops, run.locks, run.run_id)
        record.detail = publication_id
    return PublishReport(publication_id, is_pinned=False)


def docs(run: Run) -> list[str]:
    """Build the documentation: dbt docs with lineage, and Data Docs of the last validations.

    Returns:
        Paths of the pages to open.
    """
    from data_quality.data_docs import build_data_docs
    from data_stack.transform import generate_docs

    with run.locks.hold("build"), run.ops.step(run.run_id, "docs"):
        return [str(generate_docs(run.settings)), str(build_data_docs(run.settings))]
