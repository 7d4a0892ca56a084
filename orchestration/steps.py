"""The steps of the pipeline. The command line and the Airflow DAG call these and add no logic of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from data_stack.errors import (
    DataStackError,
    GateFailedError,
    HeldBackError,
    LakeUnavailableError,
    TerminalError,
    TransientError,
    UsageError,
)
from data_stack.held_back import format_headline
from data_stack.lake.built import read_build_manifests, write_build_manifests
from data_stack.lake.lake import Lake, open_lake
from data_stack.lake.vacuum import VacuumReport, vacuum_source
from data_stack.lake.write import SyncReport, sync_source
from data_stack.loads import find_pending_loads, settle_loads
from data_stack.locks import PATIENCE_SECONDS, Locks
from data_stack.ops import Ops
from data_stack.progress import Progress, ignore_progress
from data_stack.publications import find_published_manifests
from data_stack.publish import build_marker, complete_rollback
from data_stack.publish import publish as publish_build
from data_stack.raw import has_tables
from data_stack.raw_schema import upgrade_raw_file
from data_stack.redaction import describe_error
from data_stack.registry import SOURCES, Source, get_source
from data_stack.settings import Settings
from data_stack.window import Window
from orchestration.workers import Workers

if TYPE_CHECKING:
    from data_quality.runner import GateReport
    from dbt_runner.build import TransformReport
    from dlt_pipeline.load import IngestReport
    from dlt_pipeline.reader import Plan
    from dlt_pipeline.replay import ReplayReport


@dataclass
class Run:
    """What every step needs: one data folder, and the run that the records belong to.

    Attributes:
        settings: The platform's settings.
        ops: The run records.
        locks: The locks, in the run's name.
        run_id: The run.
        workers: Processes for the gate and the build; both are done here until they are started.
        progress: Called about long work.
        default_windows: By source name, the days that are loaded when nobody says which, or why they are not known.
    """

    settings: Settings
    ops: Ops
    locks: Locks
    run_id: str
    workers: Workers
    progress: Progress = ignore_progress
    default_windows: "dict[str, Window | DataStackError]" = field(default_factory=dict)

    @classmethod
    def begin(cls, settings: Settings, run_id: str, command: str) -> "Run":
        """The context of a run; `Ops.run` records the run itself."""
        locks = Locks(settings, f"{command} {run_id}")
        return cls(settings, Ops(settings), locks, run_id, Workers(settings))


@dataclass(frozen=True)
class PublishReport:
    """What readers see after `publish`, and whether it is pinned, so that nothing was published."""

    publication_id: str
    is_pinned: bool

    @property
    def pin_message(self) -> str:
        """Why nothing was published, where one is pinned."""
        return f"{self.publication_id} is pinned by a rollback, so nothing was published; `data-stack publish` does"


@contextmanager
def drop_causes() -> Iterator[None]:
    """Raise the errors of a block without their causes, which can quote rows, for callers that log whole tracebacks."""
    try:
        yield
    except TransientError as error:
        raise TransientError(str(error)) from None
    except DataStackError as error:
        raise type(error)(str(error)) from None
    except Exception as error:
        raise TerminalError(describe_error(error)) from None


def hold_everything(run: Run) -> AbstractContextManager[None]:
    """Hold all that a whole run writes, so that a second run is refused at once and not in the middle.

    The raw files of sources that are not ingested are held too: the gate reads them, and a missing one is created.
    """
    raw_files = [source.lock for source in SOURCES]
    return run.locks.hold(*raw_files, "build", "publish", wait_seconds=PATIENCE_SECONDS)


@contextmanager
def hold_to_read(settings: Settings, locks: Locks, source: Source) -> Iterator[None]:
    """Hold a raw file to read it, after bringing one of an earlier version to the present columns.

    Args:
        settings: Whose raw file.
        locks: In whose name it is held.
        source: The source.
    """
    with locks.hold(source.lock):
        upgrade_raw_file(settings, source)
    with locks.hold(source.lock, shared=True):
        yield


@dataclass
class Attempts:
    """The failures of sources in a run: a source that fails stops no other.

    Attributes:
        failures: By source name, why it is held back.
    """

    failures: dict[str, list[str]] = field(default_factory=dict)

    @contextmanager
    def attempt(self, source: Source) -> Iterator[None]:
        """Note the failure of a block that handles one source."""
        try:
            yield
        except Exception as error:
            structlog.get_logger().debug("held back", source=source.name, exc_info=True)
            self.failures.setdefault(source.name, []).append(describe_error(error))

    def describe(self) -> str:
        """Which sources are held back, and why."""
        lines = [f"  {message}" for messages in self.failures.values() for message in messages]
        return "\n".join([format_headline(self.failures), *lines])

    def raise_failures(self) -> None:
        """End with an error if a source is held back.

        Raises:
            HeldBackError: Names each such source and why.
        """
        if self.failures:
            raise HeldBackError(self.describe())


def choose_window(run: Run, source: Source, window: Window | None) -> Window | None:
    """The days that a source loads: those asked for, else its default; None if it needs none.

    A source whose default days are another's loads the last month that is over while that provider is unavailable.

    Args:
        run: The run; it remembers the defaults.
        source: The source.
        window: What the user gave.

    Raises:
        TerminalError: The provider lists nothing that could be the default.
        TransientError: The provider is unavailable.
    """
    if window is not None or not source.has_window:
        return window
    leader = source.days_of or source.name
    if leader not in run.default_windows:
        run.default_windows[leader] = _ask_default_window(run.settings, leader)
    default = run.default_windows[leader]
    if isinstance(default, Window):
        return default
    if source.days_of:
        return Window.of_last_month()
    raise default


def _ask_default_window(settings: Settings, source_name: str) -> Window | DataStackError:
    from dlt_pipeline.reader import open_reader

    try:
        with closing(open_reader(get_source(source_name), settings)) as reader:
            found = reader.default_window()
    except DataStackError as error:
        return error
    return found or TerminalError(
        f"{source_name}: the provider lists nothing that could be loaded; check the settings of the source, or give "
        "--from and --to"
    )


def plan(run: Run, source: Source, window: Window | None, is_scheduled: bool = False) -> "Plan[Any]":
    """What `ingest` would fetch; loads nothing."""
    from dlt_pipeline.load import plan as plan_source

    with hold_to_read(run.settings, run.locks, source):
        window = choose_window(run, source, window)
        return plan_source(source, run.settings, run.ops, window, is_scheduled)


def ingest(
    run: Run,
    source: Source,
    window: Window | None,
    is_scheduled: bool = False,
    on_fetch: Callable[[], None] = lambda: None,
) -> "IngestReport":
    """Load what is new of a source into its raw file; the load is pending until it passes its gate.

    Args:
        run: The run.
        source: The source.
        window: Days to load; None takes the source's default.
        is_scheduled: Nobody asked for these very days; see `dlt_pipeline.load.ingest`.
        on_fetch: See `dlt_pipeline.load.ingest`.

    Raises:
        TerminalError, TransientError: See `dlt_pipeline.load.ingest`.
    """
    from dlt_pipeline.load import ingest as ingest_source

    with run.ops.step(run.run_id, "ingest", source.name) as record:
        window = choose_window(run, source, window)
        arguments = (source, run.settings, run.ops, run.run_id, window, run.progress, run.locks)
        report = ingest_source(*arguments, is_scheduled, on_fetch)
        record.rows, record.detail = report.counts.loaded, report.summary()
    return report


def replay(run: Run, source: Source) -> "ReplayReport":
    """Rebuild the raw file of a source from the landing, without its provider; its loads are pending again.

    Raises:
        TerminalError: See `dlt_pipeline.replay.replay`.
    """
    from dlt_pipeline.replay import replay as replay_source

    with run.ops.step(run.run_id, "ingest", source.name) as record:
        report = replay_source(source, run.settings, run.ops, run.run_id, run.progress, run.locks)
        record.rows, record.detail = report.counts.loaded, report.summary()
    return report


def validate(run: Run, source: Source) -> "list[GateReport]":
    """Run the suite of every load of a source that has not passed.

    Raises:
        GateFailedError: A critical expectation failed; names expectation, column, count and example keys.
    """
    from data_quality.runner import format_gate_failures
    from data_quality.runner import validate as validate_loads

    with (
        run.locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS),
        run.ops.step(run.run_id, "validate", source.name) as record,
    ):
        arguments = (run.settings, run.ops, run.run_id, source)
        # without a pending load there is nothing that the process would have to be ready for
        if find_pending_loads(run.settings, run.ops, source):
            reports = run.workers.gate.call(validate_loads, *arguments)
        else:
            reports = validate_loads(*arguments)
        failed = sum(not report.passed for report in reports)
        record.detail = (
            f"{sum(report.checked for report in reports)} expectations on {len(reports)} loads, {failed} held back"
        )
    if failed:
        raise GateFailedError(format_gate_failures(reports))
    return reports


def accept(settings: Settings, load_id: str, reason: str) -> str:
    """Accept a load although its suite failed; the decision stays on record.

    Returns:
        The name of its source.

    Raises:
        UsageError: There is no such load, or it needs no acceptance.
    """
    ops = Ops(settings)
    for source in SOURCES:
        with Locks(settings, "accept").hold(source.lock, shared=True):
            if load_id in find_pending_loads(settings, ops, source):
                ops.record_unknown_load(source.name, load_id)
    return ops.accept_load(load_id, reason)


def transform(run: Run, full_refresh: bool = False) -> "TransformReport":
    """Build staging, core and marts with their tests, unless nothing that they read has changed since the last build.

    Only loads that passed are built; a kill between a decision of the gate and its effect is completed first. A lake
    that does not answer stops a build on Spark, which reads it; on DuckDB the report has the fault.

    Raises:
        TerminalError: A model or test failed; the published warehouse stays as it is.
        LakeUnavailableError: Spark builds from the lake, and it does not answer.
    """
    with run.locks.hold("build"):
        manifests, lake_fault = _write_lake(run)
        with run.ops.step(run.run_id, "transform") as record:
            _create_missing_raw_files(run)
            for source in SOURCES:
                with run.locks.hold(source.lock):
                    settle_loads(run.settings, run.ops, source)
            report = _build_models(run, full_refresh, manifests)
            record.detail = report.summary()
    return replace(report, lake_fault=lake_fault)


def _build_models(run: Run, full_refresh: bool, manifests: dict[str, str]) -> "TransformReport":
    from dbt_runner.build import transform as build_models
    from dbt_runner.inputs import hash_inputs, read_current_report, write_marker

    marker = build_marker(run.settings)
    with run.locks.hold(*(source.lock for source in SOURCES), shared=True):
        inputs = hash_inputs(run.settings, run.ops)
        report = None if full_refresh else read_current_report(marker, inputs)
        if report is not None:
            write_build_manifests(run.settings, manifests)
            return report
        marker.unlink(missing_ok=True)
        report = run.workers.build.call(build_models, run.settings, run.ops, run.run_id, full_refresh)
        write_build_manifests(run.settings, manifests)
        write_marker(marker, inputs, report)
    return report


def _write_lake(run: Run) -> tuple[dict[str, str], str | None]:
    """Write what passed into the lake before it is built.

    Returns:
        The manifests by source, none without a lake, and why there are not all of them, if the lake does not answer.
    """
    manifests: dict[str, str] = {}
    if run.settings.lake_url is None:
        return manifests, None
    _create_missing_raw_files(run)
    try:
        for report in _sync_each(run, SOURCES):
            if report.manifest_id:
                manifests[report.source_name] = report.manifest_id
    except LakeUnavailableError as error:
        # the other sources would wait for it as well
        if run.settings.engine == "spark":
            raise
        return manifests, str(error)
    return manifests, None


def sync_lake(run: Run, sources: Sequence[Source], take_over: bool = False) -> list[SyncReport]:
    """Bring the lake to the state of the raw files: loads that passed are written, those that are gone leave it.

    Args:
        run: The run.
        sources: The sources.
        take_over: See `data_stack.lake.write.sync_source`.

    Raises:
        UsageError: `LAKE_URL` is not set.
        TerminalError, TransientError: See `data_stack.lake.write.sync_source`.
    """
    return list(_sync_each(run, sources, take_over))


def _sync_each(run: Run, sources: Sequence[Source], take_over: bool = False) -> Iterator[SyncReport]:
    from dlt_pipeline.downloads import copy_downloads

    lake = require_lake(run.settings)
    for source in sources:
        with run.locks.hold(source.lock, wait_seconds=PATIENCE_SECONDS):
            settle_loads(run.settings, run.ops, source)
            with run.ops.step(run.run_id, "lake", source.name) as record:
                report = sync_source(lake, run.settings, run.ops, source, take_over)
                downloads = copy_downloads(run.settings, run.ops, source.name, take_over)
                report = replace(report, downloads=downloads)
                record.rows, record.detail = report.rows, report.summary()
        yield report


def vacuum_lake(run: Run, older_than: timedelta, is_dry_run: bool) -> list[VacuumReport]:
    """Remove what neither the lake's current state nor a publication needs, of every source that is in the lake.

    Args:
        run: The run.
        older_than: What was replaced since stays, as somebody may be reading it.
        is_dry_run: Remove nothing.

    Raises:
        UsageError: `LAKE_URL` is not set.
        TerminalError, TransientError: See `data_stack.lake.vacuum.vacuum_source`.
    """
    lake = require_lake(run.settings)
    reports = []
    with run.locks.hold("build", "publish", wait_seconds=PATIENCE_SECONDS):
        published = find_published_manifests(run.settings)
        built = read_build_manifests(run.settings)
        for name in lake.list_sources():
            needed = published.get(name, set()) | ({built[name]} if name in built else set())
            # a source that is no longer registered has a lock all the same
            with run.locks.hold(f"raw-{name}", wait_seconds=PATIENCE_SECONDS):
                reports.append(vacuum_source(lake, name, older_than, needed, is_dry_run))
    return reports


def require_lake(settings: Settings) -> Lake:
    """The lake.

    Raises:
        UsageError: `LAKE_URL` is not set.
    """
    lake = open_lake(settings)
    if lake is None:
        raise UsageError("there is no lake: set LAKE_URL to a folder or to s3://bucket/prefix, see docs/scale.md")
    return lake


def _create_missing_raw_files(run: Run) -> None:
    """Give a source that was never loaded its tables, empty, so that everything builds without it."""
    from dlt_pipeline.load import ensure_tables

    with run.locks.hold(*(source.lock for source in SOURCES), shared=True):
        missing = [source for source in SOURCES if not has_tables(run.settings, source)]
    for source in missing:
        with run.locks.hold(source.lock):
            ensure_tables(source, run.settings)


def publish(run: Run, unpin: bool = False) -> PublishReport:
    """Publish the build, unless a rollback has pinned an earlier publication.

    Args:
        run: The run.
        unpin: Publish although one is pinned, and end the pin, as the explicit command does.

    Raises:
        TerminalError: There is no complete build.
    """
    with run.ops.step(run.run_id, "publish") as record:
        pin = None if unpin else complete_rollback(run.settings, run.ops, run.locks)
        if pin:
            record.detail = f"{pin.publication_id} is pinned; nothing was published"
            return PublishReport(pin.publication_id, is_pinned=True)
        record.detail = publication_id = publish_build(run.settings, run.ops, run.locks, run.run_id)
    return PublishReport(publication_id, is_pinned=False)


def docs(run: Run) -> list[str]:
    """Build the documentation: dbt docs with lineage, and Data Docs of the last validations.

    Returns:
        Paths of the pages to open.
    """
    from data_quality.data_docs import build_data_docs
    from dbt_runner.build import generate_docs

    with run.locks.hold("build"), run.ops.step(run.run_id, "docs"):
        return [str(generate_docs(run.settings)), str(build_data_docs(run.settings))]
