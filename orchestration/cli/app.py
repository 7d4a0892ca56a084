"""Commands of `data-stack`. Exit codes: 0 success, 1 a gate or step failed, 2 wrong usage."""

import json
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from data_stack.errors import DataStackError, UsageError
from data_stack.registry import SOURCES, Source, get_source, source_names
from data_stack.window import Window
from orchestration.cli import airflow, api, check, lake, lineage, metrics, new_source, records, sample
from orchestration.cli.console import console, errors, show_progress
from orchestration.cli.mcp import mcp
from orchestration.cli.profile import profile
from orchestration.cli.query import query

app = typer.Typer(
    name="data-stack",
    help="Load, check, build and publish the warehouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(sample.app, name="sample")
app.add_typer(airflow.app, name="airflow")
app.add_typer(api.app, name="api")
app.add_typer(metrics.app, name="metrics")
app.add_typer(lake.app, name="lake")
app.add_typer(records.app, name="records")

_NO_SOURCE = (
    "no source is registered; write the files that docs/new-source.md lists, or copy one with `data-stack new-source` "
    "in a checkout that has a source"
)
_REGISTERED = ", ".join(source_names()) or "no source yet"
SourceNames = Annotated[list[str], typer.Argument(metavar="SOURCE...", help=f"One or more of: {_REGISTERED}.")]
_ONE_SOURCE = f"One of: {_REGISTERED}."
FromDay = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in the time zone of each source.")
]
ToDay = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")]


@app.callback()
def _before_every_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Load, check, build and publish the warehouse."""
    from data_stack.logs import configure_logs
    from data_stack.settings import Settings

    configure_logs(Settings.load().log_level)


@app.command()
def run(
    from_day: FromDay = None,
    to_day: ToDay = None,
    sources: Annotated[str, typer.Option(help="Comma-separated sources to load.")] = ",".join(source_names()),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fetched, and fetch nothing.")] = False,
) -> None:
    """Ingest, validate, transform and publish; without dates, the latest days that the providers have."""
    from data_stack.settings import Settings
    from orchestration import steps
    from orchestration.cli import report
    from orchestration.cli.runs import run_pipeline

    if not SOURCES:
        # the calendar is published all the same, so that pages and notebooks open
        console.print(f"nothing to load: {_NO_SOURCE}")
    chosen = _choose_sources(sources.split(",")) if SOURCES else []
    window = _parse_window(from_day, to_day)
    if not dry_run:
        run_pipeline(chosen, window)
        return
    context = steps.Run.begin(Settings.load(), "", "dry run")
    report.print_plans(window, {source.name: steps.plan(context, source, window, window is None) for source in chosen})


@app.command()
def ingest(
    sources: SourceNames,
    from_day: FromDay = None,
    to_day: ToDay = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Rebuild the raw files from what was fetched before, without a provider.")
    ] = False,
) -> None:
    """Load what is new of the sources into their raw files; the loads are pending until `validate` passes."""
    from orchestration import steps
    from orchestration.cli import report
    from orchestration.cli.runs import recorded
    from orchestration.summary import summarize_run

    chosen, window = _choose_sources(sources), _parse_window(from_day, to_day)
    if replay and window:
        raise UsageError("--replay rebuilds everything that was loaded; leave out --from and --to")
    attempts, notes = steps.Attempts(), list[tuple[str, str | None]]()
    with recorded("ingest", chosen, window) as context:
        with show_progress() as progress:
            context.progress = progress
            for source in chosen:
                with attempts.attempt(source):
                    if replay:
                        note: str | None = steps.replay(context, source).summary()
                    else:
                        note = steps.ingest(context, source, window, is_scheduled=window is None).note
                    notes.append((source.name, note))
        report.print_ingested(summarize_run(context))
        for name, note in notes:
            if note:
                console.print(f"{name}: {note}")
        attempts.raise_failures()


@app.command()
def validate(sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...")] = None) -> None:
    """Run the suite of every load that has not passed; exits with 1 when a critical expectation fails."""
    from orchestration import steps
    from orchestration.cli import report
    from orchestration.cli.runs import recorded
    from orchestration.summary import summarize_run

    chosen = _choose_sources(sources or source_names())
    attempts = steps.Attempts()
    with recorded("validate", chosen) as context:
        for source in chosen:
            with attempts.attempt(source):
                steps.validate(context, source)
        gates = summarize_run(context).gates
        report.print_gates(gates)
        report.print_gate_failures([gate for gate in gates if gate.passed] if attempts.failures else gates)
        attempts.raise_failures()


@app.command()
def accept(
    load: Annotated[str, typer.Argument(metavar="LOAD", help="Load id, from `data-stack status`.")],
    reason: Annotated[str, typer.Option(help="Why it is accepted; stays on record.")],
) -> None:
    """Accept a load although its suite failed."""
    from data_stack.settings import Settings
    from orchestration import steps
    from orchestration.cli import report

    if not reason.strip():
        raise UsageError("--reason must say why the load is accepted")
    source_name = steps.accept(Settings.load(), load, reason)
    console.print(
        report.make_runnable(
            f"load {load} of {source_name} is accepted; `data-stack run` or `data-stack transform` continues with it"
        )
    )


@app.command()
def transform(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild incremental models from nothing.")
    ] = False,
) -> None:
    """Build staging, core and marts with their tests; publishes nothing."""
    from orchestration import steps
    from orchestration.cli import report
    from orchestration.cli.runs import recorded

    with recorded("transform", SOURCES) as context, show_progress() as progress:
        progress("building staging, core and marts", 0, None)
        built = steps.transform(context, full_refresh)
    for line in built.format_warnings():
        console.print(line, markup=False)
    console.print(report.make_runnable(f"{built.summary()}; `data-stack publish` publishes the build"))


@app.command()
def publish() -> None:
    """Publish the build, also when a rollback has pinned an earlier publication."""
    from orchestration import steps
    from orchestration.cli.runs import recorded

    with recorded("publish", SOURCES) as context:
        done = steps.publish(context, unpin=True)
    console.print(f"published {done.publication_id} to {context.settings.warehouse_file}")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """Show the publication, the last runs, rows and freshness by source, pending and failed loads."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings
    from orchestration.cli import report

    settings = Settings.load()
    found = report.gather_status(settings, Ops(settings))
    if as_json:
        print(json.dumps(found, indent=2, default=str))
    else:
        report.print_status(settings, found)


@app.command()
def rollback(
    publication: Annotated[str | None, typer.Argument(help="Publication id; without it the one before.")] = None,
    reason: Annotated[str, typer.Option(help="Recorded with the pin.")] = "rolled back by hand",
) -> None:
    """Return readers to an earlier publication and pin it until `data-stack publish`."""
    from data_stack.publish import rollback as return_to_snapshot
    from orchestration.cli import report
    from orchestration.cli.runs import recorded

    with recorded("rollback", []) as context:
        target = return_to_snapshot(context.settings, context.ops, context.locks, publication, reason)
    console.print(report.make_runnable(f"readers see {target} again; runs publish nothing until `data-stack publish`"))


@app.command()
def reset(
    source_name: Annotated[str, typer.Argument(metavar="SOURCE", help=_ONE_SOURCE)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the raw data of a source, and its loads from the lake; the publication stays until the next run."""
    from data_stack.settings import Settings
    from dlt_pipeline.load import reset as reset_source
    from orchestration import steps
    from orchestration.cli import report
    from orchestration.cli.runs import recorded

    source, settings = get_source(source_name), Settings.load()
    if not yes:
        typer.confirm(f"remove {settings.raw_file(source.name)} and everything in it?", abort=True)
    with recorded("reset", [source]) as context:
        reset_source(source, context.settings, context.ops, context.locks)
        if settings.lake_url:
            steps.sync_lake(context, [source])
    console.print(report.make_runnable(f"{source.name} is empty; `data-stack run` loads it again"))


@app.command()
def peek(
    source_name: Annotated[str, typer.Argument(metavar="SOURCE", help=_ONE_SOURCE)],
    rows: Annotated[int, typer.Option(min=0, help="Rows of each table to show.")] = 5,
) -> None:
    """Show the raw tables and rejects of a source, without values of personal columns or raw text."""
    from data_stack.locks import Locks
    from data_stack.settings import Settings
    from orchestration import steps
    from orchestration.cli import report

    source, settings = get_source(source_name), Settings.load()
    with steps.hold_to_read(settings, Locks(settings, "peek"), source):
        report.print_peek(settings, source, rows)


@app.command()
def docs() -> None:
    """Build dbt docs with lineage and the Data Docs of the last validations."""
    from orchestration import steps
    from orchestration.cli.runs import recorded

    with recorded("docs", SOURCES) as context:
        pages = steps.docs(context)
    for page in pages:
        console.print(page)


app.command()(query)
app.command()(mcp)
# after the commands that run the platform: those that extend it
app.command()(profile)
app.add_typer(lineage.app)
app.add_typer(new_source.app)
app.command()(check.conformance)
app.command("check")(check.check_source)


def _choose_sources(names: Sequence[str]) -> list[Source]:
    """The sources of these names in registry order, without repetition."""
    if not SOURCES:
        raise UsageError(_NO_SOURCE)
    wanted = [get_source(name.strip()) for name in names]
    return [source for source in SOURCES if source in wanted]


def _parse_window(from_day: datetime | None, to_day: datetime | None) -> Window | None:
    start, end = (f"{day:%Y-%m-%d}" if day else None for day in (from_day, to_day))
    return Window.parse(start, end, ("--from", "--to"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `data-stack` command.

    Args:
        arguments: Words after the command; None takes those of the process.
    """
    from orchestration.workers import enable_workers

    enable_workers()
    sys.exit(execute(list(sys.argv[1:] if arguments is None else arguments)))


def execute(arguments: Sequence[str]) -> int:
    """Run one command and print every failure as a message on standard error.

    Args:
        arguments: The command and its arguments.

    Returns:
        The exit code: 0 success, 1 a gate or step failed, 2 wrong usage.
    """
    from data_stack.redaction import describe_unexpected_error

    debug = "--debug" in arguments
    try:
        # `--debug` is understood before and after the command's name
        rest = [argument for argument in arguments if argument != "--debug"]
        app(["--debug", *rest] if debug else rest, standalone_mode=False)
    except typer.Abort:
        return _print_error(None, "stopped at the question; nothing was changed (--yes skips it)", 1, debug)
    except KeyboardInterrupt:
        return _print_error(None, "stopped; what was loaded stays, and the next run continues from there", 1, debug)
    except typer.TyperException as error:
        message = getattr(error, "format_message", error.__str__)()
        return _print_error(error, f"{message.rstrip('.')}; see `data-stack --help`", 2, debug) if message else 2
    except UsageError as error:
        return _print_error(error, str(error), 2, debug)
    except DataStackError as error:
        return _print_error(error, str(error), 1, debug)
    except Exception as error:
        return _print_error(error, describe_unexpected_error(error), 1, debug)
    return 0


def _print_error(error: BaseException | None, message: str, code: int, debug: bool) -> int:
    from orchestration.cli import report

    if debug and error:
        traceback.print_exception(error)
    errors.print(report.make_runnable(f"error: {message}"), markup=False)
    return code
