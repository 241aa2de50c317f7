"""The webhook receiver: an event that it answered 2xx is on disk.

Klipit signs its events; each is kept in the ledger and makes its job due. Clipus signs nothing, so
its calls are hints: nothing of them is kept but that a campaign known here was named. What either
says never becomes a job's or a campaign's data, so neither order nor repetition matters.

Source: Klipit API reference, "Webhooks". How often a delivery is repeated is undocumented, and an
event has no id: its body's SHA-256 stands for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.ids.parse import refusal
from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.ledger.lock import receiving
from pipelines.output import print_line, printable
from pipelines.settings import SECRET_CHARACTERS, Settings
from sources.shared.errors import ClipmartError, FixConfiguration
from sources.shared.signatures import is_signed
from sources.shared.values import digest, instant

from .http_bounds import BoundedProtocol, accepted_at_once, end_overdue

PATHS = ("/webhooks/klipit", "/webhooks/clipus", "/healthz")
BODY_BYTES = 64 * 1024

# Together they end a request, and with it the process, within 10 s of SIGTERM: a body, then at
# worst the commit that is being made and one's own.
BODY_SECONDS = 4.0
LEDGER_SECONDS = 1.5
STOPPING_SECONDS = 8

# Of what is stored, also where the sender has the secret.
EVENT_CHARACTERS, ERROR_CHARACTERS = 100, 2000
CLOCKS_DIFFER = timedelta(minutes=5)

DUE_AGAIN_SECONDS = 60
LIBRARY_LINES = 10  # in a minute
WAITING_CONNECTIONS = 2048

T = TypeVar("T")


def listen(settings: Settings, host: str, port: int) -> None:
    """Receive webhooks until SIGTERM or SIGINT.

    Raises:
        FixConfiguration: neither secret nor token is set, the address cannot be had, or the ledger
            cannot be written.
    """
    if not settings.klipit_webhook_secrets and not settings.clipus_webhook_token:
        raise FixConfiguration(
            "KLIPIT_WEBHOOK_SECRET is not set, so forged events could not be told from real ones. "
            "Nothing was started. Set it to the signing secret of Klipit's developer settings; to "
            "receive Clipus calls alone, set CLIPUS_WEBHOOK_TOKEN."
        )
    if settings.short_webhook_secret:
        raise FixConfiguration(
            f"KLIPIT_WEBHOOK_SECRET has a secret below {SECRET_CHARACTERS} characters, which "
            "could be guessed from one signed event. Nothing was started. Set it to the whole "
            "signing secret of Klipit's developer settings; several are separated by commas."
        )
    with _bound(host, port) as listening:
        inbox = _Inbox(settings)
        try:
            with (
                receiving(settings.receiver, listening.getsockname()[:2], settings.now()),
                _libraries_logged(),
            ):
                _Server(application(settings, inbox)).run([listening])
        finally:
            inbox.close()


def application(settings: Settings, inbox: _Inbox) -> ASGIApp:
    """The three paths, with an access log that tells neither queries nor bodies."""
    campaigns = _Campaigns(settings)

    async def klipit(request: Request) -> Response:
        body = await _body(request)
        signatures = request.headers.getlist("x-klipit-signature")
        if len(signatures) != 1 or not is_signed(
            body, signatures[0].strip(), settings.klipit_webhook_secrets
        ):
            raise HTTPException(401, "The signature is missing or wrong.")
        await inbox.keep([_klipit_event(body, settings.now())])
        return Response()

    async def clipus(request: Request) -> Response:
        expected = settings.clipus_webhook_token
        given = request.query_params.getlist("token")
        if expected is not None and not (
            len(given) == 1 and hmac.compare_digest(given[0].encode(), expected.encode())
        ):
            raise HTTPException(401, "The token is missing or wrong.")
        texts = _texts(_json_object(await _body(request)))
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


def _klipit_event(body: bytes, now: datetime) -> Event:
    """The event that a signed body tells of."""
    told = _json_object(body)
    name, job_id = _text(told.get("event")), _text(told.get("job_id"))
    event_at = _instant(told.get("timestamp"))
    if event_at is not None and event_at > now + CLOCKS_DIFFER:
        event_at = now  # ahead of the clock, it would make the job due again and again until then
    if name is None or job_id is None:
        raise HTTPException(400, "The body lacks `event` or `job_id` as text.")
    # The id becomes part of a path when the job is asked for.
    if refusal("klipit", job_id) is not None:
        raise HTTPException(400, "`job_id` is not one that a job can have.")
    error = told.get("error")
    fields = {
        "event": name[:EVENT_CHARACTERS],
        "job_id": job_id,
        "clip_count": _whole(told.get("clip_count")),
        "error": _cut(error, ERROR_CHARACTERS) if isinstance(error, str) else None,
        "event_at": event_at and event_at.isoformat(),
    }
    return Event("klipit", "webhook", hashlib.sha256(body).hexdigest(), job_id, now, fields)


class _Inbox:
    """The ledger, used by one thread alone, where requests that come together share a commit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._waiting: list[tuple[list[Event], asyncio.Future[bool]]] = []
        self._commits: asyncio.Task[None] | None = None
        self._checked = 0.0
        self._open()

    def close(self) -> None:
        self._thread.shutdown()
        self._ledger.close()

    async def keep(self, events: list[Event]) -> None:
        """Return once the events are on disk.

        Those that come while a commit is being made share the next: one fsync serves many.
        """
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, kept))
        if self._commits is None or self._commits.done():
            self._commits = asyncio.create_task(self._commit_waiting())
        if not await kept:
            raise _unavailable()

    async def _commit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            together = [event for events, _ in batch for event in events]
            try:
                await self.run(partial(self._add, events=together))
                done = True
            except HTTPException:
                done = False
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(done)

    async def check(self) -> None:
        """Prove that the ledger takes a write, at most once a second."""
        if time.monotonic() >= self._checked + 1:
            now = self._settings.now().isoformat()
            await self.run(lambda ledger: ledger.note("listener", {"checked_at": now}))
            self._checked = time.monotonic()

    async def run(self, work: Callable[[Ledger], T]) -> T:
        """Do something with the ledger; where that fails, the answer is 503."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._run_in_thread, work
            )
        except Exception as error:
            _log(f"The ledger cannot be used: {error}. What was sent is answered 503, not kept.")
            raise _unavailable() from error

    def _run_in_thread(self, work: Callable[[Ledger], T]) -> T:
        if self._replaced():
            self._ledger.close()
            self._open()
        try:
            return work(self._ledger)
        except BaseException:
            # A commit that failed may leave its transaction open, and every later one would fail.
            self._ledger.store.rollback()
            raise

    def _add(self, ledger: Ledger, events: list[Event]) -> None:
        ledger.add(events)
        if self._replaced():
            # What went into a file that was removed meanwhile is not kept.
            self._run_in_thread(lambda new: self._add(new, events))

    def _open(self) -> None:
        self._ledger = open_ledger(self._settings)
        if self._ledger.shared is not None:
            self._ledger.shared.patience_seconds = LEDGER_SECONDS
            return
        self._ledger.store.execute(f"PRAGMA busy_timeout = {int(LEDGER_SECONDS * 1000)}")
        self._opened = self._settings.ledger.stat()

    def _replaced(self) -> bool:
        if self._ledger.shared is not None:
            return False
        try:
            return not os.path.samestat(self._opened, self._settings.ledger.stat())
        except FileNotFoundError:
            return True


class _Campaigns:
    """The campaign ids that are known, and when each was last made due. Used by one thread.

    The ledger is read as it grows. Where it lacks an id, as after its loss, the published file is
    asked, which is opened again only after it was replaced.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read_up_to = 0
        self._known: set[str] = set()
        self._untracked: set[str] = set()
        self._last_due: dict[str, int] = {}
        self._read_at: dict[str, float] = {}
        self._published: tuple[Any, set[str]] = (None, set())

    def due(self, ledger: Ledger, texts: set[str]) -> list[Event]:
        """Events for the campaigns among these texts that were not made due this minute."""
        for event in ledger.events("clipus", self._read_up_to):
            self._read_up_to = event.seq
            if event.kind == "due":
                self._last_due[str(event.subject)] = event.seq
                self._read_at[str(event.subject)] = time.monotonic()
            elif event.kind == "untrack":
                self._known.discard(str(event.subject))
                self._untracked.add(str(event.subject))
            elif id_ := event.body.get("campaign_id"):
                self._known.add(id_)
                self._untracked.discard(id_)
        # An event's number is its time in microseconds by the ledger's clock.
        now = ledger.number_now()
        named = texts & self._known or texts & self._in_published_file() - self._untracked
        last = {id_: self._last_due.get(id_, 0) for id_ in named}
        # Two calls at once follow the same last event, so that they make the same new one.
        return [
            Event("clipus", "due", digest("due", id_, seq), id_, self._settings.now())
            for id_, seq in last.items()
            if not self._is_recent(id_, seq, now)
        ]

    def _is_recent(self, id_: str, seq: int, now: int) -> bool:
        if seq > now:  # numbered on from a clock that was ahead: when it was read says more
            return time.monotonic() < self._read_at[id_] + DUE_AGAIN_SECONDS
        return seq > now - DUE_AGAIN_SECONDS * 1_000_000

    def _in_published_file(self) -> set[str]:
        version: tuple[int, int]
        if self._settings.lake is not None:
            version = (0, int(time.monotonic() / DUE_AGAIN_SECONDS))
        else:
            try:
                stat = self._settings.warehouse.stat()
            except FileNotFoundError:
                return set()
            version = (stat.st_ino, stat.st_mtime_ns)
        if self._published[0] != version:
            # Only here, since a receiver should not carry a database engine that it hardly needs.
            import duckdb

            from pipelines.landing.tables import tracked
            from pipelines.warehouse.read import open_published

            try:
                with open_published(self._settings) as con:
                    rows = con.execute(
                        f"SELECT campaign_id FROM clipus.submissions WHERE {tracked(con, 'clipus')}"
                    ).fetchall()
            except (ClipmartError, duckdb.Error):
                return set()
            self._published = (version, {id_ for (id_,) in rows if id_ is not None})
        return self._published[1]


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
        _log(f"{scope['method']} {path} {status}")


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                backlog=accepted_at_once(),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,  # uvicorn's own would tell the token
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=STOPPING_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        (listening,) = sockets or []
        listening.listen(WAITING_CONNECTIONS)  # the kernel may hold more than are accepted at once
        host, port = listening.getsockname()[:2]
        print_line(f"Listening on http://{f'[{host}]' if ':' in host else host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, by uvicorn."""
        if counter % 10 == 0:
            end_overdue(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End well on a signal; uvicorn's own would raise it again after a clean end."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        # The protocol is named, since asyncio turns Nagle's algorithm off only where it is TCP.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise FixConfiguration(
            f"Cannot listen on {host} port {port} ({error.strerror}). Nothing was started. Choose "
            "another with --host and --port, or stop the program that has it."
        ) from error
    with listening:
        yield listening


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


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body is not JSON.") from error
    if not isinstance(told, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return told


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _texts(told: dict[str, Any]) -> set[str]:
    """Every text in it, however deep: where Clipus puts the campaign's id is undocumented."""
    found: set[str] = set()
    left: list[Any] = [told]
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def _text(value: Any) -> str | None:
    """Text that a table can hold, which half a surrogate pair is not."""
    with suppress(UnicodeEncodeError):
        if isinstance(value, str):
            value.encode()
            return value
    return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError, ValueError):
        if value == int(value) and -(2**63) <= value < 2**63:
            return int(value)
    return None


def _cut(text: str, characters: int) -> str:
    """So much of a text, as a table can hold it."""
    return text[:characters].encode("utf-8", "replace").decode()


def _instant(value: Any) -> datetime | None:
    with suppress(ValueError):
        return instant(value) if isinstance(value, str) else None
    return None


def _unavailable() -> HTTPException:
    return HTTPException(503, "The event could not be kept. Send it again later.")


class _LibraryLog(logging.Handler):
    """What asyncio and uvicorn report: the first lines of each minute, in the receiver's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._minute, self._lines = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        minute = int(time.monotonic() / 60)
        self._lines = self._lines + 1 if minute == self._minute else 1
        self._minute = minute
        if self._lines > LIBRARY_LINES:
            return
        line = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError):
            line += f" ({error.strerror or type(error).__name__})"
        elif error is not None:
            line = self.format(record)  # a defect: its traceback says where
        more = " More of this minute is left out." if self._lines == LIBRARY_LINES else ""
        _log(f"{record.name}: {line}{more}")


@contextmanager
def _libraries_logged() -> Iterator[None]:
    """Else they write to stderr themselves, as much as they like, and wait for its reader."""
    handler, root = _LibraryLog(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _log(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with suppress(OSError, ValueError):
        # A reader of the log that stands still must not hold up events: the line is left out. So
        # many bytes never wait where select says that there is room.
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{now} {printable(line)}".encode()[: select.PIPE_BUF - 1] + b"\n")
