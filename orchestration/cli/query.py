"""`data-stack query`: SQL on the published warehouse, through the door that programs and models use too."""

from typing import Annotated

import typer

from orchestration.cli.console import console, errors


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A select on core, marts or ops.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 40,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Show the values of personal columns.")
    ] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Seconds until it is stopped.")] = 600,
) -> None:
    """Query the published warehouse, read-only and with personal columns hidden; no other file is read."""
    from data_stack.errors import QueryRefusedError, UsageError
    from data_stack.settings import Settings
    from data_stack.sql_door.door import Limits, SqlDoor

    settings = Settings.load()
    # the person at the machine may use it all; whoever comes through a server has the limits of the door
    limits = Limits(seconds=seconds, memory=settings.duckdb_memory_limit, address_space=None, threads=None)
    with SqlDoor(settings.warehouse_file, "owner_shown" if show_personal else "owner", limits) as door:
        try:
            drawn = door.draw(sql, rows, console.width)
        except QueryRefusedError as error:
            raise UsageError(f"the warehouse does not answer this: {error}") from error
    # DuckDB has laid it out already
    typer.echo(drawn.text, nl=False)
    if not show_personal:
        _print_hidden_columns(drawn.personal_columns)


def _print_hidden_columns(tables: dict[str, list[str]]) -> None:
    """Say which personal columns of the queried tables are hidden: a sum of hidden amounts is null, not 0."""
    for table, hidden in sorted(tables.items()):
        if hidden:
            names = ", ".join(hidden)
            errors.print(f"{table}: {names} are personal and hidden; --show-personal shows them", markup=False)
