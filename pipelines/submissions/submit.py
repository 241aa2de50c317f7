"""`submit`: an episode to Klipit or a page to Clipus, its intent on disk before anything is sent.

A submission costs credits or quota, and an id that is lost can't be asked for again. So it is sent
once; whatever happens between the intent and its answer leaves the intent, shown as 'outcome
unknown', and nothing sends that again by itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipelines import stop
from pipelines.ids.parse import refusal
from pipelines.ledger.ledger import Event, Ledger, open_ledger, unusable
from pipelines.service import SERVICES, Service
from pipelines.settings import Settings
from sources.shared.clients import http_client
from sources.shared.errors import (
    ClipmartError,
    FixConfiguration,
    OutcomeUnknown,
    TryAgainLater,
)
from sources.shared.http import Api
from sources.shared.slots import STORE_ERRORS

from .post import Say, Sleep, api_of, cancelled_by_signals
from .request import DoubleCheck, Request
from .wait import Failed, poll_to_end


@dataclass
class Submitted:
    """What became of a submission."""

    service: str
    submission_id: str
    id: str | None = None
    state: str = "unknown"
    status: str | None = None
    """The vendor's word for its end; None where nobody waited for it."""
    error: ClipmartError | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "submission_id": self.submission_id,
            "state": self.state,
            SERVICES[self.service].id_name: self.id,
            "status": self.status,
            "error": None if self.error is None else str(self.error),
        }


def submit(
    settings: Settings,
    request: Request,
    *,
    again: bool = False,
    wait: bool = False,
    say: Say = lambda _: None,
    on_known: Callable[[str], None] = lambda _: None,
    sleep: Sleep = asyncio.sleep,
) -> Submitted:
    """Submit once, and with `wait` poll to the end.

    Args:
        again: also where a live or unknown submission has the same URL.
        say: gets progress, a line at a time.
        on_known: gets the id as soon as it is on disk.
        sleep: for tests that need not wait.

    Returns:
        What became of it; where something was sent and went wrong, `error` tells.

    Raises:
        Unusable: the URL is submitted already.
        FixConfiguration: no key, or the ledger can't be written.
        TryAgainLater: stopped before anything was sent.
    """
    ledger = open_ledger(settings)
    try:
        work = _Submission(settings, ledger, request, say, on_known, sleep)
        with stop.deferred(), asyncio.Runner() as runner:
            return runner.run(work.run(again=again, wait=wait))
    except sqlite3.Error as error:
        raise unusable(settings.ledger, error) from error
    finally:
        ledger.close()


class _Submission:
    """The parts of one submission. Built, run once, thrown away."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        request: Request,
        say: Say,
        on_known: Callable[[str], None],
        sleep: Sleep,
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.request = request
        self.service = SERVICES[request.service]
        self.say = say
        self.on_known = on_known
        self.sleep = sleep
        self.done = Submitted(request.service, uuid.uuid4().hex)
        self.intended = False

    async def run(self, *, again: bool, wait: bool) -> Submitted:
        async with http_client() as client:
            api = api_of(self.settings, self.ledger, self.service, client, self.say, self.sleep)
            refuse: Callable[[], None] = lambda: None  # noqa: E731
            if not again:
                refuse = DoubleCheck(self.settings, self.ledger, self.request)
                refuse()
            with cancelled_by_signals():
                await self._send(api, refuse)
                if wait and self.done.state == "known":
                    await self._follow(api)
        return self.done

    async def _send(self, api: Api, refuse: Callable[[], None]) -> None:
        try:
            with _patience(self.service, self.say) as sending:

                def before() -> None:
                    self._intend(refuse)
                    sending()

                told = await self._post(api, before)
        except OutcomeUnknown as error:
            self._unknown(str(error))
        except OSError as error:
            if not self.intended:
                raise
            self._unknown(f"{api.name}: the file could not be read to its end ({error.strerror}).")
        except asyncio.CancelledError:
            if not self.intended:
                raise TryAgainLater(
                    "Stopped before anything was sent. Nothing was kept. Run the command again."
                ) from None
            self._unknown(f"{api.name}: stopped before it answered; it may have been taken.")
        except ClipmartError as error:
            if not self.intended:
                raise
            words = self.settings.without_secrets(str(error))
            self.done.state, self.done.error = "failed", type(error)(words)
            self._answer(outcome="failed", error=words)
        else:
            self._take(told)

    async def _post(self, api: Api, before: Callable[[], None]) -> dict[str, Any]:
        """The ids of the answer, by their columns."""
        client, request = self.service.client(api, self.settings.now), self.request
        submit = partial(client.submit, advice=self.service.submit_advice, before=before)
        if request.file is None:
            return await submit(request.sent)
        with request.file.open("rb") as opened:
            return await submit(request.sent, (request.fields["file_name"], opened))

    def _intend(self, refuse: Callable[[], None]) -> None:
        """Write the intent, unless another one with its URL came first."""
        now = self.settings.now()
        id_ = self.done.submission_id
        body = {"intent_id": id_, **self.request.fields, "submitted_at": now.isoformat()}
        self.ledger.add(
            [Event(self.service.name, "intent", f"intent {id_}", id_, now, body)], refuse
        )
        self.intended = True

    def _answer(self, **told: Any) -> None:
        """Keep what came of the intent. The outcome 'unknown' only tells why; it stays open."""
        id_ = self.done.submission_id
        body = {"intent_id": id_, **told}
        now = self.settings.now()
        self.ledger.add([Event(self.service.name, "answer", f"answer {id_}", id_, now, body)])

    def _take(self, told: dict[str, Any]) -> None:
        id_ = told[self.service.id_name]
        name = self.service.title
        if why := refusal(self.service.name, id_):
            self._unknown(f"{name} took it and answered an id that can't be used ({why}).")
            return
        self.done.id, self.done.state = id_, "known"
        try:
            self._answer(outcome="known", **told)
        except STORE_ERRORS as error:
            raise FixConfiguration(
                f"{name} took it as {id_}, but {self.ledger.place} can't be written ({error}). "
                f"Note the id; once that is mended: `clipmart track {self.service.name} {id_} "
                f"--intent {self.done.submission_id}`."
            ) from error
        finally:
            self.on_known(id_)

    def _unknown(self, cause: str) -> None:
        self._answer(outcome="unknown", error=cause)
        joined = ""
        if self.service.ties_by_url:
            joined = " Or track the id alone: `clipmart sync` joins it by its URL."
        self.done.error = OutcomeUnknown(
            f"{cause} The {self.service.thing} may exist, so it is not sent again by itself. It "
            f"is recorded as submission {self.done.submission_id}, outcome unknown. If you find "
            f"its id: `clipmart track {self.service.name} ID --intent {self.done.submission_id}`."
            f"{joined}"
        )

    async def _follow(self, api: Api) -> None:
        id_ = str(self.done.id)
        kept = f"{id_} is submitted and kept; `clipmart sync` loads what becomes of it."
        try:
            self.done.status = await poll_to_end(
                self.service, id_, api, self.settings.now, self.say, self.sleep
            )
        except asyncio.CancelledError:
            self.done.error = TryAgainLater(f"Stopped waiting. {kept}")
        except (Failed, FixConfiguration) as error:
            self.done.error = type(error)(f"{error} {kept}")
        except ClipmartError as error:
            self.done.error = TryAgainLater(f"{error} {kept}")


@contextmanager
def _patience(service: Service, say: Say) -> Iterator[Callable[[], None]]:
    """Gives a function to call when sending begins; it is then said what is waited for."""
    timers: list[asyncio.TimerHandle] = []

    def sending() -> None:
        loop = asyncio.get_running_loop()
        timers.append(loop.call_later(2, say, f"{service.name}: {service.sending}"))
        for seconds in range(60, 301, 60):
            timers.append(
                loop.call_later(seconds, say, f"{service.name}: {seconds} s, no answer yet")
            )

    try:
        yield sending
    finally:
        for timer in timers:
            timer.cancel()
