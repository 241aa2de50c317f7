"""The webhook receiver: an event that it answered 2xx is on disk.

Klipit signs its events; each is kept in the ledger and makes its job due. Clipus signs nothing, so
its calls are hints: nothing of them is kept but that a campaign known here was named. What either
says never becomes a job's or a campaign's data, so neither order nor repetition matters.

Source: Klipit API reference, "Webhooks". How often a delivery is repeated is undocumented, and an
event has no id: its body's SHA-256 stands for it.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.settings import Settings

from .campaigns import KnownCampaigns
from .inbox import Inbox
from .log import log
from .payload import check_clipus_token, check_klipit_signature, clipus_texts, klipit_event

PATHS = ("/webhooks/klipit", "/webhooks/clipus", "/healthz")
BODY_BYTES = 64 * 1024
BODY_SECONDS = 4.0


def application(settings: Settings, inbox: Inbox) -> ASGIApp:
    """The three paths, with an access log that tells neither queries nor bodies."""
    campaigns = KnownCampaigns(settings)

    async def klipit(request: Request) -> Response:
        body = await _body(request)
        check_klipit_signature(settings, body, request.headers.getlist("x-klipit-signature"))
        await inbox.keep([klipit_event(body, settings.now())])
        return Response()

    async def clipus(request: Request) -> Response:
        check_clipus_token(settings, request.query_params.getlist("token"))
        texts = clipus_texts(await _body(request))
        due = await inbox.run(lambda ledger: campaigns.due(ledger, texts))
        if due:
            await inbox.keep(due)
        # Whether an id is known here is nobody else's business: every call is answered the same.
        return Response()

    async def healthz(_: Request) -> Response:
        await inbox.check()
        return JSONResponse({"ok": True})

    routes = [
        Route("/webhooks/klipit", klipit, methods=["POST"]),
        Route("/webhooks/clipus", clipus, methods=["POST"]),
        Route("/healthz", healthz),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False  # a redirect would repeat the token in its Location
    return _Logged(app)


async def _body(request: Request) -> bytes:
    """The raw body, at most BODY_BYTES of it, whatever its length claims to be."""
    too_long = HTTPException(413, f"A body is at most {BODY_BYTES} bytes.")
    body = bytearray()
    try:
        if int(request.headers.get("content-length", 0)) > BODY_BYTES:
            raise too_long
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > BODY_BYTES:
                    raise too_long
    except TimeoutError as error:
        raise HTTPException(408, f"The body took longer than {BODY_SECONDS:g} s.") from error
    except (ClientDisconnect, ValueError) as error:
        raise HTTPException(400, "The body is not as long as it was said to be.") from error
    return bytes(body)


class _Logged:
    """One line a request: instant, method, path, status. Other paths than ours are not spelt."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, noting)
        path = scope["path"] if scope["path"] in PATHS else "(another path)"
        log(f"{scope['method']} {path} {status}")
