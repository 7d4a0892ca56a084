"""`data-stack api`: the HTTP API on loopback, and its tokens."""

import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from data_stack.errors import UsageError
from data_stack.role import Role
from orchestration.cli.console import console, errors, print_table

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from data_stack.ops import TokenRecord

HOST = "127.0.0.1"

app = typer.Typer(help="The HTTP API on loopback, and its tokens.", no_args_is_help=True)
token = typer.Typer(help="Tokens of the API: make, list, revoke.", no_args_is_help=True)
app.add_typer(token, name="token")


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; API_PORT without it.")] = None,
    host: Annotated[str, typer.Option(help="Interface; another one than loopback only inside a container.")] = HOST,
) -> None:
    """Serve the API until Ctrl-C; on loopback, with a token for the pages in the data folder."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings
    from orchestration.run_starter import RunStarter
    from scaffold.lineage import LineageReader
    from serving.api import make_app
    from serving.tokens import keep_pages_token

    settings = Settings.load()
    if host == HOST:
        keep_pages_token(Ops(settings), settings.pages_token_file)
    app = make_app(settings, LineageReader(settings), start_run=RunStarter(settings))
    run_server(app, host, settings.api_port if port is None else port, "API_PORT", "; /openapi.json describes it")


def run_server(app: "ASGIApp", host: str, port: int, setting: str, hint: str) -> None:
    """Serve an application until Ctrl-C.

    Args:
        app: The application.
        host: The interface.
        port: The port; 0 takes a free one.
        setting: The variable that has the port, for the remedy if it is taken.
        hint: Follows the URL in the message.

    Raises:
        UsageError: Nothing can listen there.
    """
    import uvicorn

    with _listen(host, port, setting) as listening:
        console.print(f"serving on http://{host}:{listening.getsockname()[1]} until Ctrl-C{hint}")
        # our own log has each call, and the description of the server is nobody's business
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        uvicorn.Server(config).run([listening])


def _listen(host: str, port: int, setting: str) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UsageError(
            f"the server cannot listen on {host}:{port} ({error.strerror}); choose another with {setting} or --port"
        ) from error


@token.command()
def create(
    role: Annotated[Role, typer.Option(help="What the token may do.")],
    days: Annotated[int, typer.Option(min=1, help="Days that it is valid.")] = 90,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a token and print it; nothing can show it again."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings
    from serving.tokens import create_token

    made, record = create_token(Ops(Settings.load()), role, days, name)
    # on its own on standard output, so that a script can take it
    sys.stdout.write(f"{made}\n")
    errors.print(
        f"for the role {role}, valid until {record.expires_at_utc[:10]} (UTC); "
        f"`data-stack api token revoke {record.token_id}` ends it",
        markup=False,
    )


@token.command("list")
def list_tokens() -> None:
    """Show all tokens, without their secrets."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings

    ops = Ops.existing(Settings.load())
    rows = [
        [record.token_id, record.name, record.role, _describe_state(record), record.created_at_utc[:10]]
        for record in (ops.list_tokens() if ops else [])
    ]
    if not rows:
        console.print("no token yet; `data-stack api token create --role analyst` makes one")
    print_table("tokens", ["token", "name", "role", "state", "made on (UTC)"], rows)


@token.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="From `data-stack api token list`.")]) -> None:
    """Make a token invalid from now on."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings
    from serving.tokens import revoke_token

    revoke_token(Ops(Settings.load()), token_id)
    console.print(f"token {token_id} is revoked")


def _describe_state(record: "TokenRecord") -> str:
    from serving.tokens import is_expired

    if record.revoked_at_utc:
        return f"revoked on {record.revoked_at_utc[:10]}"
    return f"{'expired' if is_expired(record) else 'valid until'} {record.expires_at_utc[:10]}"
