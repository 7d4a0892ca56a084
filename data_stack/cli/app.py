"""Commands of `data-stack`. Exit codes: 0 success, 1 a gate or step failed, 2 wrong usage."""

import errno
import json
import sys
import traceback
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from data_stack import steps
from data_stack.cli import airflow, console, report, sample
from data_stack.cli.runs import recorded, run_recorded
from data_stack.errors import DataStackError, UsageError
from data_stack.locks import Locks, foreign_holder
from data_stack.logs import configure_logs
from data_stack.ops import Ops
from data_stack.publish import rollback as return_to_snapshot
from data_stack.registry import SOURCES, get_source, source_names
from data_stack.settings import Settings
from data_stack.window import Window

app = typer.Typer(
    name="data-stack",
    help="Load, check, build and publish the warehouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(sample.app, name="sample")
app.add_typer(airflow.app, name="airflow")

SourceNames = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help=f"One or more of {', '.join(source_names())}.")
]
SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help=f"One of {', '.join(source_names())}.")]
FromDay = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, New York.")]
ToDay = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")]


@app.callback()
def _before_every_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Load, check, build and publish the warehouse."""
    configure_logs(Settings.load().log_level)


@app.command()
def run(
    from_day: FromDay = None,
    to_day: ToDay = None,
    sources: Annotated[str, typer.Option(help="Comma-separated sources to load.")] = ",".join(source_names()),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")] = False,
) -> None:
    """Ingest, validate, transform and publish; without dates, the latest month that the bike provider lists."""
    names = _checked(sources.split(","))
    window = _window(from_day, to_day)
    if dry_run:
        _dry_run(names, window)
        return
    run_recorded(names, window)


@app.command()
def ingest(sources: SourceNames, from_day: FromDay = None, to_day: ToDay = None) -> None:
    """Load what is new of the sources into their raw files; the loads are pending until `validate` passes."""
    names, window = _checked(sources), _window(from_day, to_day)
    with recorded("ingest", names, window) as context, console.show_progress() as progress:
        context.progress = progress
        resolved = steps.resolve_window(context.settings, window, names)
        reports = [steps.ingest(context, name, resolved) for name in names]
    report.print_ingested(reports)


@app.command()
def validate(sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...")] = None) -> None:
    """Run the suite of every load that has not passed; exits with 1 when a critical expectation fails."""
    names = _checked(sources or source_names())
    with recorded("validate", names) as context:
        report.print_gates(steps.validate(context, [get_source(name) for name in names]))


@app.command()
def accept(
    load: Annotated[str, typer.Argument(metavar="LOAD", help="Load id, from `data-stack status`.")],
    reason: Annotated[str, typer.Option(help="Why it is let through; stays on record.")],
) -> None:
    """Let a load through although its suite failed."""
    if not reason.strip():
        raise UsageError("--reason must say why the load is let through")
    source = steps.accept(Settings.load(), load, reason)
    console.console.print(
        report.runnable(f"load {load} of {source} is accepted; `data-stack run` or `transform` goes on with it")
    )


@app.command()
def transform(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild incremental models from nothing.")
    ] = False,
) -> None:
    """Build staging, core and marts with their tests; publishes nothing."""
    with recorded("transform", source_names()) as context, console.show_progress() as progress:
        progress("building staging, core and marts", 0, None)
        built = steps.transform(context, full_refresh)
    console.console.print(
        report.runnable(f"built {built.models} models, {built.tests} tests passed; `data-stack publish` publishes them")
    )


@app.command()
def publish() -> None:
    """Publish the build, also when a rollback has pinned an earlier publication."""
    with recorded("publish", source_names()) as context:
        done = steps.publish(context, unpin=True)
    console.console.print(f"published {done.publication_id} to {context.settings.warehouse_file}")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """Show the publication, the last runs, rows and freshness by source, pending and failed loads."""
    settings = Settings.load()
    found = report.gather_status(settings, Ops(settings.ops_dir))
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
    with recorded("rollback", []) as context:
        target = return_to_snapshot(context.settings, context.ops, context.locks, publication, reason)
    words = f"readers see {target} again; runs publish nothing until `data-stack publish`"
    console.console.print(report.runnable(words))


@app.command()
def reset(
    source: SourceName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the raw data of a source; the publication stays until the next run."""
    name = get_source(source).name
    settings = Settings.load()
    if not yes:
        typer.confirm(f"remove {settings.raw_file(name)} and all it holds?", abort=True)
    from dlt_pipeline.load import reset as reset_source

    with recorded("reset", [name]) as context:
        reset_source(context.settings, context.ops, context.locks, name)
    console.console.print(report.runnable(f"{name} is empty; `data-stack run` loads it again"))


@app.command()
def peek(source: SourceName, rows: Annotated[int, typer.Option(min=0, help="Rows of each table to show.")] = 5) -> None:
    """Look at the raw tables and rejects of a source, without values of personal columns or raw text."""
    settings = Settings.load()
    with Locks(settings.locks_dir, "peek").hold(get_source(source).lock, shared=True):
        report.print_peek(settings, get_source(source), rows)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A select on core, marts or ops.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 40,
) -> None:
    """Ask the published warehouse; nothing can be written, and no other file is read."""
    report.print_query(Settings.load().warehouse_file, sql, rows)


@app.command()
def docs() -> None:
    """Build dbt docs with lineage and the Data Docs of the last validations."""
    with recorded("docs", source_names()) as context:
        pages = steps.docs(context)
    for page in pages:
        console.console.print(page)


def _checked(names: Sequence[str]) -> list[str]:
    """Known source names in registry order, without repetition."""
    wanted = {get_source(name.strip()).name for name in names}
    return [source.name for source in SOURCES if source.name in wanted]


def _window(from_day: datetime | None, to_day: datetime | None) -> Window | None:
    if (from_day is None) != (to_day is None):
        raise UsageError("--from and --to go together: give both, or none for the latest month")
    return Window(_date(from_day), _date(to_day)) if from_day and to_day else None


def _date(moment: datetime) -> date:
    return moment.date()


def _dry_run(names: Sequence[str], window: Window | None) -> None:
    settings = Settings.load()
    resolved = steps.resolve_window(settings, window, names)
    report.print_plans(resolved, {name: steps.plan(settings, name, resolved) for name in names})


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `data-stack` command.

    Args:
        arguments: Words after the command; None takes those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(execute(words))


def execute(words: Sequence[str]) -> int:
    """Run one command and turn every failure into a sentence on standard error.

    Args:
        words: The command and its arguments.

    Returns:
        The exit code: 0 success, 1 a gate or step failed, 2 wrong usage.
    """
    debug = "--debug" in words
    try:
        # `--debug` is understood before and after the command's name
        rest = [word for word in words if word != "--debug"]
        app(["--debug", *rest] if debug else rest, standalone_mode=False)
    except typer.Abort:
        return _complain(None, "stopped at the question; nothing was changed (--yes skips it)", 1, debug)
    except KeyboardInterrupt:
        return _complain(None, "stopped; what was loaded stays, and the next run goes on from there", 1, debug)
    except typer.TyperException as error:
        words_of = getattr(error, "format_message", error.__str__)
        return _complain(error, f"{words_of().rstrip('.')}; see `data-stack --help`", 2, debug) if words_of() else 2
    except UsageError as error:
        return _complain(error, str(error), 2, debug)
    except DataStackError as error:
        return _complain(error, str(error), 1, debug)
    except Exception as error:
        return _complain(error, _unexpected(error), 1, debug)
    return 0


def _complain(error: BaseException | None, words: str, code: int, debug: bool) -> int:
    if debug and error:
        traceback.print_exception(error)
    console.errors.print(report.runnable(f"error: {words}"), markup=False)
    return code


def _unexpected(error: Exception) -> str:
    """A sentence without the message, which may quote a row; the place tells a developer where to look."""
    if isinstance(error, duckdb.IOException) and (held := foreign_holder(str(error))):
        return held
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk of {error.filename or 'DATA_DIR'} is full; free some space and run again"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename or 'a file'}: {error.strerror}; check the path and its permissions"
    frame: Any = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"unexpected {type(error).__name__} in {place}; run again with --debug for more"
