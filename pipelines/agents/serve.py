"""`clipmart mcp` as a process: on stdio or HTTP, until its client or a signal ends it."""

from __future__ import annotations

import os

from pipelines import stop
from pipelines.output import say
from pipelines.settings import Settings
from pipelines.webhooks.log import libraries_logged
from sources.shared.errors import FixConfiguration

from .worker import Workers


def serve(settings: Settings, address: str | None) -> None:
    """Answer one client on stdin and stdout, or all that come to the address (HOST:PORT).

    Raises:
        FixConfiguration: the extra `mcp` is not installed; or as `http.run`.
        Unusable: as `http.host_and_port`.
    """
    try:
        import anyio

        from .server import server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise FixConfiguration(
            "`clipmart mcp` needs the extra `mcp`. Nothing was started. Install it: "
            "`pip install 'clipmart[mcp]'`."
        ) from error

    workers = Workers()

    def end() -> None:
        # The SDK's thread that reads stdin cannot be interrupted, so nothing could be unwound.
        workers.kill()
        say(f"clipmart: {stop.STOPPED}", "error")
        os._exit(stop.Stopped.exit_code)

    with libraries_logged(), stop.calling(end):
        if address is None:
            anyio.run(server(workers).run_stdio_async)
        else:
            from .http import host_and_port, run

            run(server(workers), settings, *host_and_port(address))
    workers.kill()
