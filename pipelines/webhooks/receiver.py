"""The webhook receiver: an event that was answered 2xx is on disk.

Klipit signs its events; each is saved in the ledger and makes its job due. Clipus signs nothing, so
its calls are hints: nothing is saved except that a known campaign was named. Neither ever becomes
data of a job or campaign, so neither order nor repetition matters.

Source: Klipit API reference, "Webhooks". How often a delivery is repeated is undocumented.
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
    """The three paths, with an access log without queries and bodies."""
    campaigns = KnownCampaigns(settings)

    async def klipit(request: Request) -> Response:
        body = await _read_body(request)
        check_klipit_signature(settings, body, request.headers.getlist("x-klipit-signature"))
        await inbox.save([klipit_event(body, settings.now())])
        return Response()

    async def clipus(request: Request) -> Response:
        check_clipus_token(settings, request.query_params.getlist("token"))
        texts = clipus_texts(await _read_body(request))
        due = await inbox.run(lambda ledger: campaigns.due(ledger, texts))
        if due:
            await inbox.save(due)
        # All calls get the same answer, so that nobody learns which ids are known here.
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
    return _AccessLog(app)


async def _read_body(request: Request) -> bytes:
    """The raw body, at most BODY_BYTES, whatever its declared length."""
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
        raise HTTPException(400, "The body is not as long as declared.") from error
    return bytes(body)


class _AccessLog:
    """One line per request: instant, method, path, status. Unknown paths are not written out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, send_noting_status)
        path = scope["path"] if scope["path"] in PATHS else "(another path)"
        log(f"{scope['method']} {path} {status}")
