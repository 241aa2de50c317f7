"""HTTP clients: httpx's own for what happens once, and one over aiohttp for many GETs.

4,000 GETs cost httpx's own transport about 3.5 s of CPU, the one over aiohttp 1.1 s, after 0.2 s
for its import. A POST never goes through the second: it tells a connection that was lost after
sending like one that never came about.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.request import getproxies

import httpx

CONNECTIONS = 4  # httpx's pool costs more the larger it is
MANY = 200
"""From so many requests on the second client has earned its import."""


def http_client() -> httpx.AsyncClient:
    """A client on httpx's own transport, for POSTs and a few GETs."""
    # At DEBUG these log addresses and headers, and a link or a Location may be signed.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(30.0, connect=10.0),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        follow_redirects=False,
    )


def reading_client(requests: int) -> httpx.AsyncClient:
    """A client for so many GETs. Needs a running event loop.

    Behind a proxy it is always httpx's own, whose rules for proxies are the documented ones.
    """
    if requests < MANY or getproxies():
        return http_client()
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    trusted = httpx.create_ssl_context()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusted),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # It would send a GET again by itself where a kept connection turns out to be closed: a request
    # without a rate slot. Its own test client switches that off the same way.
    session._retry_connection = False
    return _Direct(AiohttpTransport(verify=trusted, client=session))


class _Direct(httpx.AsyncClient):
    """Hands requests straight to the transport.

    Cookies, redirects and authentication are not used here and cost a third of a GET.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=transport)
        self._direct = transport

    def build_request(self, method: str, url: httpx.URL | str, **content: Any) -> httpx.Request:
        timeout = content.pop("timeout")
        return httpx.Request(method, url, extensions={"timeout": timeout.as_dict()}, **content)

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        from aiohttp import ClientError

        try:
            return await self._direct.handle_async_request(request)
        except ClientError as error:
            # What the transport does not translate, such as a header that is too long.
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
