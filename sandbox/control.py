"""The sandbox's own endpoints, for a test or a person outside its process.

POST /_sandbox/call takes a list of [name, positional, named] and calls these methods of
`Sandbox` in turn, or reads these attributes. GET /_sandbox/klipit.csv and clipus.csv return
every id with its submission, as `clipmart track --from` reads it. Requests from other
machines are refused, and so are those of a web page in a browser on this machine,
recognised by its Origin or by the host name that it used.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, is_dataclass
from operator import attrgetter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.accounts import Refused
from sandbox.answers import json_answer
from sandbox.records import Fields
from sandbox.world import Sandbox


async def answer(sandbox: Sandbox, request: Request) -> Response:
    """A request below /_sandbox/."""
    if request.client is None or request.client.host not in ("127.0.0.1", "::1"):
        return json_answer({"error": "Only answered on the sandbox's own machine."}, 403)
    host = request.headers.get("host", "")
    if not re.fullmatch(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", host, re.IGNORECASE):
        return json_answer({"error": "Only answered under the sandbox's own address."}, 403)
    if request.headers.get("origin", f"http://{host}") != f"http://{host}":
        return json_answer({"error": "Not answered to a page of another site."}, 403)
    match request.method, request.url.path.removeprefix("/_sandbox/"):
        case "POST", "call":
            try:
                calls = await request.json()
                # In a thread: delivering webhooks runs an event loop of its own.
                results = await run_in_threadpool(lambda: [_call(sandbox, *call) for call in calls])
                return json_answer(json.loads(json.dumps(results, default=_plain)))
            except (AttributeError, KeyError, TypeError, ValueError, Refused) as error:
                return json_answer({"error": f"{type(error).__name__}: {error}"}, 400)
        case "GET", "klipit.csv":
            return _csv("job_id", _submissions(sandbox, "klipit"), _KLIPIT_COLUMNS)
        case "GET", "clipus.csv":
            return _csv("campaign_id", _submissions(sandbox, "clipus"), _CLIPUS_COLUMNS)
    return json_answer({"error": "No such endpoint."}, 404)


def _call(sandbox: Sandbox, name: str, positional: list[Any], named: dict[str, Any]) -> Any:
    if any(part.startswith("_") for part in name.split(".")):
        raise ValueError(f"{name} is private")
    attribute = attrgetter(name)(sandbox)
    return attribute(*positional, **named) if callable(attribute) else attribute


def _plain(value: Any) -> Any:
    """A result that is not JSON yet: a record as an object, anything else as text."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


_KLIPIT_COLUMNS = ("show_name", "guest_name", "description", "platforms", "source_url")
_CLIPUS_COLUMNS = ("url", "title")


def _submissions(sandbox: Sandbox, service: str) -> dict[str, Fields]:
    records = sandbox.jobs if service == "klipit" else sandbox.campaigns
    return {
        id_: record.submission | {"submitted_at": record.fields["created_at"]}
        for id_, record in list(records.items())
    }


def _csv(id_column: str, submissions: dict[str, Fields], columns: tuple[str, ...]) -> Response:
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow((id_column, *columns, "submitted_at"))
    for id_, fields in submissions.items():
        cells = (fields.get(name) for name in (*columns, "submitted_at"))
        writer.writerow([id_, *(";".join(c) if isinstance(c, list) else c for c in cells)])
    return Response(lines.getvalue(), media_type="text/csv; charset=utf-8")
