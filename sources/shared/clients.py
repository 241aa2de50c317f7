"""HTTP clients: httpx's own for a few requests, and one over aiohttp for many GETs.

2,000 GETs cost httpx's own transport 0.9 s of CPU with 4 of them in flight and 5.7 s with 64, since
its pool looks at every connection for every request. The one over aiohttp takes 0.3 and 0.4 s, plus
less than 0.1 s for its import. Neither pool is limited: `Ramp` decides how many requests are in
flight, so none waits for a connection that another one holds. A POST never uses the one over
aiohttp: it reports a connection lost after sending like one that was never opened.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache
from typing import Any
from urllib.request import getproxies

import httpx

from .ramp import MOST

MANY = 50
"""From so many requests on, the client over aiohttp saves more time than its import takes."""


def http_client() -> httpx.AsyncClient:
    """A client on httpx's own transport, for POSTs and a few GETs."""
    # At DEBUG these log addresses and headers; a link or a Location in them may be signed.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        verify=_trusted(),
        timeout=httpx.Timeout(30.0, connect=10.0, pool=None),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=MOST),
        follow_redirects=False,
    )


def reading_client(requests: int) -> httpx.AsyncClient:
    """A client for so many GETs. Needs a running event loop.

    Behind a proxy it is always httpx's own, whose rules for proxies are documented.
    """
    if requests < MANY or getproxies():
        return http_client()
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    trusted = _trusted()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=trusted),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # Otherwise it repeats a GET by itself, without a rate slot, if a reused connection was closed.
    # aiohttp has no public switch for this; its own test client sets the same attribute.
    session._retry_connection = False  # noqa: SLF001
    return _Direct(AiohttpTransport(verify=trusted, client=session))


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates, shared by all clients: loading them takes longer than some syncs."""
    return httpx.create_ssl_context()


class _Direct(httpx.AsyncClient):
    """Hands requests straight to the transport.

    Cookies, redirects and authentication are not needed here, and cost a third of a GET's time.
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
            # An error that the transport does not translate, such as a header that is too long.
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
