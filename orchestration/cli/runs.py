"""Whole runs, and the record of every command that writes."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from data_stack.errors import DataStackError
from data_stack.ops import new_id
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings
from data_stack.window import Window
from orchestration import steps
from orchestration.cli import report
from orchestration.cli.console import show_progress
from orchestration.summary import summarize_run

if TYPE_CHECKING:
    from dbt_runner.build import TransformReport


@contextmanager
def recorded(command: str, sources: Sequence[Source], window: Window | None = None) -> Iterator[steps.Run]:
    """The context of a command that writes, recorded as a run.

    Args:
        command: Its name.
        sources: Sources that it handles.
        window: Days that were asked for.
    """
    context = steps.Run.begin(Settings.load(), new_id(), command)
    context.ops.mark_interrupted_runs()
    days = (window.start.isoformat(), window.end.isoformat()) if window else None
    with context.ops.run(command, [source.name for source in sources], days, run_id=context.run_id):
        yield context


def run_pipeline(sources: Sequence[Source], window: Window | None) -> None:
    """Run all steps in their order; a source that fails is held back, and the others are published.

    What is known of the run is printed at its end, also where it fails.

    Args:
        sources: Sources to ingest; the gate checks every source.
        window: Days to load; None takes each source's default.

    Raises:
        HeldBackError: Sources are held back, after the others were published.
    """
    attempts = steps.Attempts()
    with recorded("run", sources, window) as context:
        try:
            with closing(context.workers), steps.hold_everything(context):
                transformed = _do_steps(context, sources, window, attempts)
        except BaseException as error:
            # the error that ended the run must not be hidden by one of its summary
            with suppress(DataStackError):
                report.print_failed_run(summarize_run(context))
            if isinstance(error, DataStackError) and attempts.failures:
                raise type(error)(f"{error}\n{attempts.describe()}") from error
            raise
        report.print_run(context, summarize_run(context), window, transformed.format_warnings())
        attempts.raise_failures()


def _do_steps(
    context: steps.Run, sources: Sequence[Source], window: Window | None, attempts: steps.Attempts
) -> "TransformReport":
    with show_progress() as progress:
        context.progress = progress
        for source in sources:
            with attempts.attempt(source):
                # days that nobody chose
                is_scheduled = window is None
                ingested = steps.ingest(context, source, window, is_scheduled, on_fetch=context.workers.start)
                # what a resource has is known only now
                if ingested.counts.loaded:
                    context.workers.start()
        progress("checking the loads", 0, None)
        for source in SOURCES:
            with attempts.attempt(source):
                steps.validate(context, source)
        context.workers.gate.release()
        progress("building staging, core and marts", 0, None)
        transformed = steps.transform(context)
        context.workers.build.release()
    steps.publish(context)
    return transformed
