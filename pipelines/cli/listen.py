"""`listen`: the receiver of webhooks."""

from __future__ import annotations

import click

from pipelines.settings import load_settings

from .options import port_option


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@port_option(8787)
def listen(host: str, port: int) -> None:
    """Receive webhooks until stopped, behind a proxy with TLS.

    An event makes its job due; the next sync fetches it.

    \b
    clipmart listen
    clipmart listen --port 9000
    """
    from pipelines.webhooks.server import listen as run

    run(load_settings(), host, port)
