"""`submit`: an episode to Klipit or a page to Clipus, its intent on disk before anything is sent.

A submission costs credits or quota, and a lost id can't be requested again. So it is sent once.
If anything fails between the intent and its answer, the intent is shown as 'outcome unknown' and
never sent again automatically.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipelines import stop
from pipelines.ids.parse import refusal
from pipelines.ledger.ledger import Event, Ledger, open_ledger
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

from .api import Say, Sleep, cancelled_by_signals, service_api
from .request import DuplicateCheck, Request
from .wait import SubmissionFailed, poll_until_done


@dataclass
class Submitted:
    """The outcome of a submission."""

    service: str
    submission_id: str
    id: str | None = None
    state: str = "unknown"
    status: str | None = None
    """The vendor's final status; None unless `wait` was given."""
    error: ClipmartError | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`: service, submission_id, state, the id by its column, status, error."""
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
    """Submit once, and with `wait` poll until the end.

    Args:
        again: submit even if a live or unknown submission has the same URL.
        say: called with progress, a line at a time.
        on_known: called with the id as soon as it is on disk.
        sleep: injected by tests.

    Returns:
        The outcome; `error` is set if something was sent and failed.

    Raises:
        Unusable: the URL has been submitted already.
        FixConfiguration: no key, or the ledger can't be opened.
        sqlite3.Error: the ledger can't be written; the command line says what to do.
        TryAgainLater: stopped before anything was sent.
    """
    with closing(open_ledger(settings)) as ledger, stop.deferred(), asyncio.Runner() as runner:
        work = _Submission(settings, ledger, request, say, on_known, sleep)
        return runner.run(work.run(again=again, wait=wait))


class _Submission:
    """One submission; `run` is called once."""

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
        self.intent_recorded = False

    async def run(self, *, again: bool, wait: bool) -> Submitted:
        async with http_client() as client:
            api = service_api(
                self.settings, self.ledger, self.service, client, self.say, self.sleep
            )
            check_duplicate: Callable[[], None] = lambda: None  # noqa: E731
            if not again:
                check_duplicate = DuplicateCheck(self.settings, self.ledger, self.request)
                check_duplicate()
            with cancelled_by_signals():
                await self._send(api, check_duplicate)
                if wait and self.done.state == "known":
                    await self._wait(api)
        return self.done

    async def _send(self, api: Api, check_duplicate: Callable[[], None]) -> None:
        try:
            with _progress_while_sending(self.service, self.say) as sending:

                def before() -> None:
                    self._record_intent(check_duplicate)
                    sending()

                answer = await self._post(api, before)
        except OutcomeUnknown as error:
            self._record_unknown(str(error))
        except OSError as error:
            if not self.intent_recorded:
                raise
            self._record_unknown(
                f"{api.name}: the file could not be read to its end ({error.strerror})."
            )
        except asyncio.CancelledError:
            if not self.intent_recorded:
                raise TryAgainLater(
                    "Stopped before anything was sent. Nothing was recorded. Run the command again."
                ) from None
            self._record_unknown(
                f"{api.name}: stopped before it answered; it may have been accepted."
            )
        except ClipmartError as error:
            if not self.intent_recorded:
                raise
            words = self.settings.without_secrets(str(error))
            self.done.state, self.done.error = "failed", type(error)(words)
            self._record_answer(outcome="failed", error=words)
        else:
            self._record_id(answer)

    async def _post(self, api: Api, before: Callable[[], None]) -> dict[str, Any]:
        """The ids in the answer, by column."""
        client, request = self.service.client(api, self.settings.now), self.request
        submit = partial(client.submit, advice=self.service.submit_advice, before=before)
        if request.file is None:
            return await submit(request.sent)
        with request.file.open("rb") as opened:
            return await submit(request.sent, (request.fields["file_name"], opened))

    def _record_intent(self, check_duplicate: Callable[[], None]) -> None:
        """Record the intent, unless one with the same URL came first."""
        now = self.settings.now()
        id_ = self.done.submission_id
        body = {"intent_id": id_, **self.request.fields, "submitted_at": now.isoformat()}
        self.ledger.add(
            [Event(self.service.name, "intent", f"intent {id_}", id_, now, body)], check_duplicate
        )
        self.intent_recorded = True

    def _record_answer(self, **answer: Any) -> None:
        """Record the intent's outcome. 'unknown' only records the reason; the intent stays open."""
        id_ = self.done.submission_id
        body = {"intent_id": id_, **answer}
        now = self.settings.now()
        self.ledger.add([Event(self.service.name, "answer", f"answer {id_}", id_, now, body)])

    def _record_id(self, answer: dict[str, Any]) -> None:
        id_ = answer[self.service.id_name]
        name = self.service.title
        if why := refusal(self.service.name, id_):
            self._record_unknown(
                f"{name} accepted it and returned an id that can't be used ({why})."
            )
            return
        self.done.id, self.done.state = id_, "known"
        try:
            self._record_answer(outcome="known", **answer)
        except STORE_ERRORS as error:
            raise FixConfiguration(
                f"{name} accepted it as {id_}, but {self.ledger.place} can't be written ({error}). "
                f"Note the id. Once that is fixed, run `clipmart track {self.service.name} {id_} "
                f"--intent {self.done.submission_id}`."
            ) from error
        finally:
            self.on_known(id_)

    def _record_unknown(self, cause: str) -> None:
        self._record_answer(outcome="unknown", error=cause)
        hint = ""
        if self.service.ties_by_url:
            hint = " Or track the id alone: `clipmart sync` joins it by its URL."
        self.done.error = OutcomeUnknown(
            f"{cause} The {self.service.thing} may exist, so it is not sent again automatically. "
            f"It is recorded as submission {self.done.submission_id}, outcome unknown. If you find "
            f"its id: `clipmart track {self.service.name} ID --intent {self.done.submission_id}`."
            f"{hint}"
        )

    async def _wait(self, api: Api) -> None:
        id_ = str(self.done.id)
        saved = f"{id_} is submitted and recorded; `clipmart sync` loads its progress."
        try:
            self.done.status = await poll_until_done(
                self.service, id_, api, self.settings.now, self.say, self.sleep
            )
        except asyncio.CancelledError:
            self.done.error = TryAgainLater(f"Stopped waiting. {saved}")
        except (SubmissionFailed, FixConfiguration) as error:
            self.done.error = type(error)(f"{error} {saved}")
        except ClipmartError as error:
            self.done.error = TryAgainLater(f"{error} {saved}")


@contextmanager
def _progress_while_sending(service: Service, say: Say) -> Iterator[Callable[[], None]]:
    """Yields a function to call when sending begins; from then on the wait is reported."""
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
