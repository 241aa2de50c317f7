"""Download a vendor's link: the whole file or nothing, from public addresses, without our key.

A link and its redirects come from the vendor: they could lead to services that only this machine or
its networks can reach. So a name is resolved once, its addresses are checked, and the connection
goes to a checked one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.request import getproxies, proxy_bypass

import httpx

from pipelines.files import replacing
from sources.shared.clients import http_client
from sources.shared.errors import TryAgainLater

MOST_BYTES = 10 << 30
MOST_SECONDS = 3600.0
STALLED_SECONDS = 60.0
REDIRECTS = 5
PIECE_BYTES = 1 << 20
AGAIN = "Nothing was written; the same command requests a new link."
_REDIRECT = frozenset({301, 302, 303, 307, 308})


def fetch(link: str, path: Path, *, from_this_machine: bool = False) -> Path:
    """Stream a link into a file.

    Args:
        from_this_machine: loopback addresses are allowed, for an API that is a sandbox.

    Raises:
        TryAgainLater: the link has ended, is refused, leads to a forbidden address, or the
            connection failed. The message names only the host: the rest may be signed.
        OSError: the file can't be written.
    """
    return asyncio.run(_fetch(link, path, from_this_machine))


async def _fetch(link: str, path: Path, from_this_machine: bool) -> Path:
    url = _url(link)
    try:
        async with asyncio.timeout(MOST_SECONDS), http_client() as client:
            for _ in range(REDIRECTS + 1):
                async with _answer(client, url, from_this_machine) as answer:
                    if answer.status_code not in _REDIRECT:
                        with replacing(path) as file:
                            await _save(answer, url.host, file)
                        return path
                    url = _redirected(url, answer.headers.get("location", ""))
    except TimeoutError:
        raise TryAgainLater(
            f"The download from {url.host} took longer than {MOST_SECONDS / 3600:g} h. {AGAIN}"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TryAgainLater(
            f"The download from {url.host} broke off ({type(error).__name__}). {AGAIN}"
        ) from None
    raise TryAgainLater(f"The link at {url.host} redirects more than {REDIRECTS} times. {AGAIN}")


def _url(link: str) -> httpx.URL:
    try:
        url = httpx.URL(link)
        if url.scheme in ("http", "https") and url.host:
            return url
    except httpx.InvalidURL:
        pass
    raise TryAgainLater(f"Klipit's link is not a web address. {AGAIN}")


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = url.join(location)
    except httpx.InvalidURL:
        target = httpx.URL("")
    if target.scheme not in ("https", url.scheme) or not target.host:
        raise TryAgainLater(
            f"The link at {url.host} redirects to something other than https, so it was not "
            f"followed. {AGAIN}"
        )
    return target


@asynccontextmanager
async def _answer(
    client: httpx.AsyncClient, url: httpx.URL, from_this_machine: bool
) -> AsyncIterator[httpx.Response]:
    """The answer from the first checked address that can be reached."""
    addresses = await _addresses(url, from_this_machine)
    for number, address in enumerate(addresses, 1):
        request = client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"host": url.netloc.decode(), "accept-encoding": "identity"},
            extensions={"sni_hostname": url.host},
            timeout=STALLED_SECONDS,
        )
        try:
            response = await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(addresses):
                raise
            continue
        try:
            yield response
        finally:
            await response.aclose()
        return


async def _addresses(url: httpx.URL, from_this_machine: bool) -> list[str]:
    """The addresses to connect to; the name itself if a proxy resolves it."""
    proxied = url.scheme in getproxies() and not proxy_bypass(url.host)
    loop = asyncio.get_running_loop()
    try:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        resolved = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if proxied:
            return [url.host]
        raise TryAgainLater(
            f"The name {url.host} cannot be resolved ({type(error).__name__}). {AGAIN}"
        ) from None
    addresses = [str(sockaddr[0]) for *_, sockaddr in resolved]
    allowed = [each for each in addresses if _may_be_reached(each, from_this_machine)]
    if not allowed:
        raise TryAgainLater(
            f"The link leads to {url.host}, an address of this machine or of a private network, so "
            f"it was not followed. {AGAIN}"
        )
    return [url.host] if proxied else allowed


def _may_be_reached(address: str, from_this_machine: bool) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return (ip.is_global and not ip.is_multicast) or (from_this_machine and ip.is_loopback)


async def _save(answer: httpx.Response, host: str, file: BinaryIO) -> None:
    if answer.status_code != 200:
        ended = answer.status_code in (401, 403, 404, 410)
        why = "has expired or is not valid" if ended else "does not give the whole file"
        raise TryAgainLater(f"The link at {host} {why} ({answer.status_code}). {AGAIN}")
    written = 0
    async for piece in answer.aiter_raw(PIECE_BYTES):
        written += len(piece)
        if written > MOST_BYTES:
            raise TryAgainLater(
                f"The file at {host} is larger than {MOST_BYTES >> 30} GiB. {AGAIN}"
            )
        file.write(piece)
    if written == 0:
        raise TryAgainLater(f"The file at {host} is empty. {AGAIN}")
