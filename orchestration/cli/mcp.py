"""`data-stack mcp`: the MCP server, over standard input and output or over HTTP on loopback."""

from typing import Annotated

import typer

from data_stack.role import Role


def mcp(
    http: Annotated[bool, typer.Option("--http", help="HTTP on loopback, with tokens.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of HTTP; MCP_PORT without it.")] = None,
    role: Annotated[Role, typer.Option(help="What the client may do; over HTTP, see its token.")] = Role.DATA_ENGINEER,
    local_model: Annotated[
        bool,
        typer.Option("--local-model", help="The client's model runs here: it may read personal sums."),
    ] = False,
) -> None:
    """Answer agents by the Model Context Protocol: metrics, tables, SQL, runs, rejects; nothing can be changed."""
    from data_stack.settings import Settings
    from serving.mcp_door import make_mcp_app, serve_stdio

    settings = Settings.load()
    if not http:
        serve_stdio(settings, role, local_model)
        return
    from orchestration.cli.api import HOST, run_server

    run_server(
        make_mcp_app(settings), HOST, settings.mcp_port if port is None else port, "MCP_PORT", "; clients use /mcp"
    )
