"""Whole runs and the record of every command that writes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from data_stack import steps
from data_stack.cli import report
from data_stack.cli.console import show_progress
from data_stack.ops import new_id
from data_stack.settings import Settings
from data_stack.window import Window


@contextmanager
def recorded(command: str, names: Sequence[str], window: Window | None = None) -> Iterator[steps.Run]:
    """The context of a command that writes, recorded as a run.

    Args:
        command: Its name.
        names: Sources that it handles.
        window: Days that were asked for.
    """
    context = steps.Run.begin(Settings.load(), new_id(), command)
    context.ops.mark_interrupted_runs()
    days = (window.start.isoformat(), window.end.isoformat()) if window else None
    with context.ops.run(command, names, days, run_id=context.run_id):
        yield context


def run_recorded(names: Sequence[str], window: Window | None) -> None:
    """A whole run, recorded in `ops`, with its tables at the end.

    Args:
        names: Sources to ingest; the gate looks at every source.
        window: Days to load; None takes the latest month that the bike provider lists.
    """
    with recorded("run", names, window) as context:
        report.print_run(_run_everything(context, names, window))


def _run_everything(context: steps.Run, names: Sequence[str], window: Window | None) -> report.RunSummary:
    """All steps in their order; the first failure ends the run and leaves the publication as it was."""
    with steps.hold_everything(context):
        resolved = steps.resolve_window(context.settings, window, names)
        with show_progress() as progress:
            context.progress = progress
            ingested = [steps.ingest(context, name, resolved) for name in names]
            progress("checking the loads", 0, None)
            validated = steps.validate(context)
            progress("building staging, core and marts", 0, None)
            transformed = steps.transform(context)
        published = steps.publish(context)
    return report.RunSummary(context, resolved, ingested, validated, transformed, published)
