"""`demo` and `sandbox`: both APIs with made-up data, without a key."""

from __future__ import annotations

import click

from pipelines.settings import load_settings

from .options import port_option
from .terminal import end


@click.command()
def demo() -> None:
    """Run through a month of made-up use, without a key.

    \b
    clipmart demo
    """
    from pipelines.demo import run_demo

    run_demo(load_settings())


@click.command()
@port_option(8900)
@click.option("--history", is_flag=True, help="Start with a month of made-up use.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the made-up data.")
def sandbox(port: int, history: bool, seed: int) -> None:
    """Serve both APIs here, with made-up data, until stopped.

    \b
    clipmart sandbox --history
    """
    from pipelines.program import command_line
    from sandbox import Sandbox
    from sandbox.server import preload, serve

    world = Sandbox(seed=seed)
    if history:
        preload(world)
    end(serve(port, sandbox=world, clipmart=command_line()))
