"""Streamable HTTP on one address: who may call, and the process that serves.

On loopback, a page in a browser could call through a name that it made point here (DNS rebinding),
so Host and Origin must name this machine. Elsewhere a token is required, which no page knows.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.output import print_line
from pipelines.settings import SECRET_CHARACTERS, Settings, is_loopback
from pipelines.webhooks.server import listening_socket
from sources.shared.errors import FixConfiguration, Unusable

PATH = "/mcp"
_CONNECTIONS = 64
_BODY_BYTES = 1024 * 1024


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of `HOST:PORT`; a port alone is one of this machine's own address.

    Raises:
        Unusable: it is neither.
    """
    try:
        parts = urlsplit(f"//{address if ':' in address else f'127.0.0.1:{address}'}")
        port = parts.port
    except ValueError:
        port = None
    if port is None or parts.path or parts.username is not None:
        raise Unusable(
            f"'{address}' is not HOST:PORT, such as 127.0.0.1:8765 or [::1]:8765. Nothing was "
            "started."
        )
    return parts.hostname or "127.0.0.1", port


def run(mcp: MCPServer[Any], settings: Settings, host: str, port: int) -> None:
    """Serve until the process ends.

    Raises:
        FixConfiguration: the address is beyond this machine and there is no token, or it is short;
            or the address is taken.
    """
    token = settings.mcp_token
    shown = f"[{host}]" if ":" in host else host
    local = is_loopback(f"//{shown}")
    if token is None and not local:
        raise FixConfiguration(
            f"CLIPMART_MCP_TOKEN is not set, so anyone who reaches {host} could read everything "
            f"that is published. Nothing was started. Set it to {SECRET_CHARACTERS} or more random "
            "characters, which clients then send (docs/agents.md), or serve on 127.0.0.1."
        )
    if token is not None and len(token) < SECRET_CHARACTERS:
        raise FixConfiguration(
            f"CLIPMART_MCP_TOKEN has fewer than {SECRET_CHARACTERS} characters, so it could be "
            "guessed. Nothing was started. Set it to a longer, random one."
        )
    app = mcp.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=_BODY_BYTES,
        # `guarded` decides, also of requests that the SDK would let through unread.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    with listening_socket(host, port, "another port") as listening:
        print_line(f"Serving MCP on http://{shown}:{listening.getsockname()[1]}{PATH}")
        anyio.run(_Server(guarded(app, token, local=local)).serve, [listening])


def guarded(app: ASGIApp, token: str | None, *, local: bool) -> ASGIApp:
    """The app for those who may call it; the others get a status and a line.

    Args:
        app: what is guarded.
        token: what `Authorization: Bearer …` must carry; None: nothing.
        local: whether only this machine is served, so that Host must name it.
    """

    def refusal(headers: Headers) -> tuple[int, str] | None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and not (local and _is_here(origin)):
            return 403, "Pages of other origins may not call this server."
        if local and not _is_here(f"//{host}"):
            return 421, "This server answers by the name of this machine alone."
        given = headers.get("authorization", "").encode()
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return 401, "The token is missing or is not the one in CLIPMART_MCP_TOKEN."
        return None

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refused is None:
            await app(scope, receive, send)
            return
        status, line = refused
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        await PlainTextResponse(f"{line}\n", status, headers)(scope, receive, send)

    return guard


def _is_here(url: str) -> bool:
    try:
        return is_loopback(url)
    except ValueError:  # it is no address
        return False


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `stop`."""
        yield
