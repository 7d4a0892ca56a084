"""`data-stack records`: where the run records are."""

from typing import Annotated

import typer

from data_stack.errors import UsageError
from data_stack.registry import SOURCES
from orchestration.cli.console import console

app = typer.Typer(help="Where the run records are: a file, or a database of several machines.", no_args_is_help=True)


@app.callback()
def _keep_the_command_name() -> None:
    """Where the run records are: a file, or a database of several machines."""


@app.command()
def move(
    back: Annotated[bool, typer.Option("--back", help="From the database of OPS_URL to the data folder.")] = False,
) -> None:
    """Copy the run records of the data folder to the database of OPS_URL, and use them from there."""
    from data_stack.locks import Locks
    from data_stack.record_move import copy_records
    from data_stack.record_store import SqliteStore, open_database
    from data_stack.settings import Settings

    settings = Settings.load()
    if settings.ops_database is None:
        raise UsageError("OPS_URL names no database to move the run records to or from; set it first")
    alone = Settings.load(data_dir=settings.data_dir)
    file, database = SqliteStore(settings.ops_dir), open_database(settings.ops_database)
    if back == file.exists():
        raise UsageError(
            f"{file.path} {'is there already' if back else 'is not there'}, so there is nothing to move"
            + ("; unset OPS_URL to use it" if back else "")
        )
    resources = [*(source.lock for source in SOURCES), "build", "publish"]
    # whoever still uses the place that is left, and whoever uses the new one already
    with Locks(settings, "records move").hold(*resources), Locks(alone, "records move").hold(*resources):
        if back:
            count = copy_records(database, file)
        else:
            count = copy_records(file, database)
            file.put_aside()
    console.print(
        f"{count:,} rows copied"
        + ("; unset OPS_URL, so that every process uses the file" if back else f"; {file.path} is put aside")
    )
