"""The ASGI application: logs each request, injects faults, finds the API, adds the Date.

It compares prefixes itself: three need no router, and tests send thousands of requests.
"""

from __future__ import annotations

import asyncio
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import clipus, control, klipit
from sandbox.answers import sent_key
from sandbox.faults import HANG_UPS, INSTEAD, hang_up, send_spoiled
from sandbox.world import Arrival, Sandbox

KLIPIT_PREFIX = "/klipit/api/v1/"
CLIPUS_PREFIX = "/clipus/"
FILES_PREFIX = "/files/"


class App:
    """Both APIs of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or do what a fault says."""
        request = Request(scope, receive)
        if scope["path"].startswith("/_sandbox/"):
            answer = await control.answer(self.sandbox, request)
            await answer(scope, receive, send)
            return

        service, path = _split(scope["path"])
        arrival = self.sandbox.log(service, scope["method"], path, sent_key(request))
        fault = self.sandbox.faults.take(arrival.method, path)
        if fault:
            arrival.fault = fault.kind
        if fault and fault.kind in INSTEAD:
            answer = fault.answer()
        else:
            answer = await self._answer(request, arrival)
        if latency := self.sandbox.latency_seconds.get(service):
            await asyncio.sleep(latency)
        date = format_datetime(self.sandbox.clock.now(), usegmt=True)
        answer.headers.setdefault("date", date)
        if fault and fault.kind in HANG_UPS:
            await hang_up(scope, receive)
            return
        arrival.status = answer.status_code
        if fault:
            await send_spoiled(fault, answer, scope, receive, send)
        else:
            await answer(scope, receive, send)

    async def _answer(self, request: Request, arrival: Arrival) -> Response:
        match arrival.service:
            case "klipit":
                return await klipit.answer(self.sandbox, request, arrival)
            case "clipus":
                return await clipus.answer(self.sandbox, request, arrival)
            case "files":
                return klipit.download(self.sandbox, arrival)
        return Response("Nothing here.\n", 404, media_type="text/plain")


def _split(path: str) -> tuple[str, str]:
    """The service, and the path below its base URL."""
    if path.startswith(KLIPIT_PREFIX):
        return "klipit", path[len(KLIPIT_PREFIX) - 1 :]
    if path.startswith(CLIPUS_PREFIX):
        return "clipus", path[len(CLIPUS_PREFIX) - 1 :]
    if path.startswith(FILES_PREFIX):
        return "files", path[len(FILES_PREFIX) - 1 :]
    return "", path
