"""A further service is a record and a sources package: nothing else of the pipelines knows it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pipelines.ids.track import known_ids, track_ids
from pipelines.landing.store import Landing
from pipelines.service import SEQ, SERVICES, Service
from pipelines.settings import Account, Settings
from pipelines.sync.run import sync
from sources.shared.slots import Bucket
from sources.shared.tables import Table
from sources.shared.values import DataType

PACKAGE = {
    "tables.py": """
from sources.shared.chunks import ApiTables
from sources.shared.tables import Table
from sources.shared.values import DataType

AT = ("timestamp", "When.")
TEXT = ("text", "It.")
STATUS = {"observation_id": TEXT, "talk_id": TEXT, "status": TEXT, "observed_at": AT}
TALKS = Table("talks", ("id",), "A talk.", {"id": TEXT, "status": TEXT, "observed_at": AT})
SLIDES = Table(
    "slides",
    ("talk_id", "id"),
    "A slide of a talk.",
    {"talk_id": TEXT, "id": TEXT, "title": TEXT, "observed_at": AT},
    parent="talk_id",
    stamped=frozenset({"talk_id", "observed_at"}),
)
TABLES = ApiTables(
    "talkit",
    records=TALKS,
    children=SLIDES,
    observations=Table("talk_observations", ("observation_id",), "A change.", STATUS),
    account=Table("plans", ("observed_at",), "A plan.", {"observed_at": AT, "plan": TEXT}),
    wrapping=frozenset({"slides"}),
)
""",
    "client.py": """
from sources.shared.chunks import Read

from .tables import TABLES, TALKS


class TalkitClient:
    def __init__(self, api, now):
        self.api, self.now, self.account = api, now, None

    async def read(self, due, watch):
        answer = await self.api.get(f"/talks/{due.id}", None, watch=watch)
        read = Read(due.id, self.now(), ok=answer.status < 400, exists=answer.status != 404)
        if read.ok:
            read.take_record(TABLES, answer.body)
            read.take_children(TABLES, answer.body["slides"])
        else:
            read.reject(TABLES, TALKS, answer.refusal_reason(self.api.key), answer.body)
        return read
""",
    "worklist.sql": """
SELECT
  s.talk_id AS id, min(s.recorded_at) AS known_at, NULL::TIMESTAMPTZ AS event_at,
  NULL::TIMESTAMPTZ AS created_event_at, bool_or(t.id IS NOT NULL) AS loaded,
  bool_or(t.status IN (SELECT unnest($finished))) AS finished, false AS failed,
  max(t.observed_at) AS observed_at, NULL::TIMESTAMPTZ AS children_read_at, true AS settled,
  false AS due_when_finished, NULL::INTERVAL AS wait_when_finished, false AS reads_children,
  false AS gone, NULL::TIMESTAMPTZ AS gone_at, NULL::TIMESTAMPTZ AS refused_at,
  false AS not_found, INTERVAL 1 HOUR AS age
FROM talkit.submissions AS s LEFT JOIN talkit.talks AS t ON t.id = s.talk_id
WHERE $tracked GROUP BY s.talk_id
""",
}
TALK = {"id": "talk-1", "status": "over", "slides": [{"id": "a", "title": "Why"}, {"id": "b"}]}


@pytest.fixture
def talkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The record, over a package in a folder of its own."""
    package = tmp_path / "lib" / "talkit"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, content in PACKAGE.items():
        (package / name).write_text(content)
    monkeypatch.syspath_prepend(str(package.parent))
    for name in ("talkit", "talkit.tables", "talkit.client"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    text: tuple[DataType, str] = ("text", "")
    instant: tuple[DataType, str] = ("timestamp", "")
    record = Service(
        name="talkit",
        thing="talk",
        id_name="talk_id",
        url_name="url",
        api=import_module("talkit.tables").TABLES,
        submissions=Table(
            "submissions",
            ("submission_id",),
            "A known talk.",
            {
                **dict.fromkeys(("submission_id", "origin", "state", "talk_id", "url"), text),
                "error": text,
                **dict.fromkeys(("recorded_at", "untracked_at"), instant),
                SEQ: ("bigint", ""),
            },
            parent="submission_id",
        ),
        base_url="https://talkit.example",
        finished=frozenset({"over"}),
        failed=frozenset(),
        client=lambda api, now: import_module("talkit.client").TalkitClient(api, now),
        requests_needed=lambda key, due: {Bucket("talkit", "all", "k", 60): len(list(due))},
        worklist=package / "worklist.sql",
        csv={"talk_id": "talk_id", "id": "talk_id", "url": "url"},
    )
    monkeypatch.setitem(SERVICES, "talkit", record)
    return record


@pytest.fixture
def address() -> Iterator[str]:
    """A server that knows one talk."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body: dict[str, Any] = TALK if self.path == "/talks/talk-1" else {"detail": "no"}
            self.send_response(200 if body is TALK else 404)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_further_service_is_tracked_synced_and_landed(
    tmp_path: Path, talkit: Service, address: str
) -> None:
    """Its ids are recorded, requested once and landed; the next sync requests none."""
    settings = Settings(
        data_dir=tmp_path / "data",
        accounts={talkit.name: Account("key", address)},
        minute_seconds=0,
        pinned_now=datetime(2026, 4, 8, 12, tzinfo=UTC),
    )

    track_ids(settings, talkit.name, [("ids", "talk-1\n")], None)
    first = sync(settings, publish_now=False)
    second = sync(settings, publish_now=False)

    landing = Landing(settings.landing)
    slides = landing.connection.execute(
        "SELECT talk_id, id, title FROM talkit.slides ORDER BY id"
    ).fetchall()
    observed = landing.connection.execute(
        "SELECT talk_id, status FROM talkit.talk_observations"
    ).fetchall()
    landing.close()
    assert (first.exit_code, first.services["talkit"].requested) == (0, 1)
    assert slides == [("talk-1", "a", "Why"), ("talk-1", "b", None)]
    assert observed == [("talk-1", "over")]
    assert second.services["talkit"].requested == 0
    assert "".join(known_ids(settings, talkit.name)).splitlines() == ["talk_id,url", "talk-1,"]
