"""`mcp`: what is published, for agents."""

from __future__ import annotations

import click

from pipelines.settings import load_settings


@click.command()
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    help="Serve many clients by HTTP; beyond this machine, CLIPMART_MCP_TOKEN is required.",
)
def mcp(address: str | None) -> None:
    """Answer agents such as Claude and Cursor, read only.

    A client starts it, and talks to it on stdin and stdout.

    \b
    clipmart mcp
    clipmart mcp --http 127.0.0.1:8765
    """
    from pipelines.agents.serve import serve

    serve(load_settings(), address)
