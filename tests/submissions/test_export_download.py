"""`export --download`: a file that is there whole or not at all, fetched without our key."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipelines.submissions.download import fetch
from pipelines.submissions.export import file_name
from sandbox import Fault, Sandbox
from sources.shared.errors import TryAgainLater
from tests.support.clipmart import Clipmart


@dataclass
class Host:
    """Another host: what it was sent, and how it answers."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    size: int = 1000
    promised: int | None = None
    location: str | None = None
    piece_seconds: float = 0.0


@pytest.fixture
def host() -> Iterator[Host]:
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.headers.append(dict(self.headers))
            self.send_response(302 if state.location else state.status)
            if state.location:
                self.send_header("Location", state.location)
                state.location = None
                self.end_headers()
                return
            self.send_header("Content-Length", str(state.promised or state.size))
            self.end_headers()
            with suppress(OSError):  # the reader may have had enough
                for _ in range(0, state.size, 1000):
                    self.wfile.write(b"x" * 1000)
                    time.sleep(state.piece_seconds)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/clips.mp4?signature=canary"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def linked(sandbox: Sandbox, clipmart: Clipmart, host: Host) -> Clipmart:
    """Klipit answers every export with a link to the other host."""
    body = {"export_url": host.url, "expires_at": "2026-04-09T12:00:00Z"}
    sandbox.faults.plan([Fault("answer", method="POST", times=None, body=body)])
    return clipmart


def folder(clipmart: Clipmart) -> list[str]:
    return sorted(path.name for path in (clipmart.folder / "out").iterdir())


def test_the_key_stays_here_and_the_link_in_its_table(
    linked: Clipmart, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """The host gets no key in any header; no output or log, at DEBUG, has the link."""
    caplog.set_level("DEBUG")
    done = linked("export", "job_1", "--platform", "reels", "--download", "out")
    assert done.code == 0, done.err
    assert done.out.strip() == "out/job_1-reels.mp4"
    assert (linked.folder / "out/job_1-reels.mp4").stat().st_size == 1000
    (headers,) = host.headers
    assert "klipit_sk" not in repr(headers)
    assert "Authorization" not in headers
    assert "canary" not in done.out + done.err + caplog.text
    assert "klipit_sk" not in caplog.text


def test_a_redirect_of_the_link_is_followed_without_a_word(
    linked: Clipmart, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """Hosts of files redirect; neither address is logged."""
    caplog.set_level("DEBUG")
    host.location = host.url + "-again"
    assert linked("export", "job_1", "--download", "out").code == 0
    assert len(host.headers) == 2
    assert "canary" not in caplog.text


def test_a_large_file_is_streamed(linked: Clipmart, host: Host) -> None:
    """40 MB pass through a few."""
    host.size = 40_000_000
    linked("status")
    tracemalloc.start()
    assert linked("export", "job_1", "--download", "out").code == 0
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (linked.folder / "out/job_1.mp4").stat().st_size == host.size
    assert peak_bytes < 20 << 20


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_a_link_that_is_refused_says_what_to_do(linked: Clipmart, host: Host, status: int) -> None:
    """75: the same command requests a new link. Nothing is left in the folder."""
    host.status = status
    done = linked("export", "job_1", "--download", "out", "--json")
    assert done.code == 75
    document = done.json()
    assert (document["state"], document["path"]) == ("ready", None)
    assert str(status) in document["error"]
    assert "new link" in document["error"]
    assert "canary" not in done.out + done.err
    assert folder(linked) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param({"promised": 1001}, "broke off", id="shorter than promised"),
        pytest.param({"status": 206}, "206", id="a part"),
        pytest.param({"size": 0}, "empty", id="empty"),
        pytest.param({"status": 204, "size": 0}, "204", id="no content"),
        pytest.param({"size": 400_000}, "larger", id="too large"),
        pytest.param({"size": 50_000, "piece_seconds": 0.1}, "longer", id="too slow"),
    ],
)
def test_what_is_not_the_whole_file_leaves_what_was_there(
    linked: Clipmart,
    host: Host,
    answer: dict[str, float],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """75; the earlier file stays, and no other file is left."""
    monkeypatch.setattr("pipelines.submissions.download.MOST_BYTES", 300_000)
    monkeypatch.setattr("pipelines.submissions.download.MOST_SECONDS", 1.0)
    (linked.folder / "out").mkdir()
    (linked.folder / "out/job_1.mp4").write_text("earlier")
    for name, value in answer.items():
        setattr(host, name, value)
    done = linked("export", "job_1", "--download", "out")
    assert done.code == 75
    assert why in done.err and "canary" not in done.err
    assert (linked.folder / "out/job_1.mp4").read_text() == "earlier"
    assert folder(linked) == ["job_1.mp4"]


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/x",
        "http://[::ffff:192.168.1.1]/x",
        "http://0.0.0.0/x",
        "http://224.0.0.1/x",
        "https://[broken",
        "",
    ],
)
def test_a_redirect_to_where_only_this_machine_gets_is_not_followed(
    linked: Clipmart, host: Host, location: str
) -> None:
    """Nor to another scheme than https or the link's own."""
    host.location = location
    host.status = 500  # an empty Location leads back here
    done = linked("export", "job_1", "--download", "out")
    assert (done.code, folder(linked)) == (75, [])
    assert "canary" not in done.err


@pytest.mark.parametrize("link", ["http://127.0.0.1:{port}/x", "http://localhost:{port}/x"])
def test_a_link_to_this_machine_is_not_opened(tmp_path: Path, host: Host, link: str) -> None:
    """Unless the API itself is on this machine; a name is judged by what it resolves to."""
    port = urlsplit(host.url).port
    with pytest.raises(TryAgainLater, match="private network"):
        fetch(link.format(port=port), tmp_path / "file")
    assert host.headers == [] and list(tmp_path.iterdir()) == []
    assert fetch(link.format(port=port), tmp_path / "file", from_this_machine=True).exists()
    assert host.headers[0]["host"] == link.format(port=port).split("/")[2]


def test_an_endless_redirect_ends(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Five are followed."""
    link = f"{sandbox.url}/files/job_1/all.mp4"
    sandbox.faults.plan(
        [
            Fault("answer", method="POST", body={"export_url": link}),
            Fault("answer", "/job_1/*", status=302, times=None, headers={"location": link}),
        ]
    )
    done = clipmart("export", "job_1", "--download", "out")
    assert done.code == 75 and "5 times" in done.err


def test_a_file_that_leads_elsewhere_is_replaced_itself(linked: Clipmart) -> None:
    """What a link in the folder leads to stays as it is."""
    (linked.folder / "out").mkdir()
    (linked.folder / "other").write_text("other")
    (linked.folder / "out/job_1.mp4").symlink_to(linked.folder / "other")
    assert linked("export", "job_1", "--download", "out").code == 0
    assert (linked.folder / "other").read_text() == "other"
    assert (linked.folder / "out/job_1.mp4").read_bytes() == b"x" * 1000


@pytest.mark.parametrize("link", ["file:///etc/passwd", "https://[broken", "/relative", "x"])
def test_a_link_that_is_no_web_address_is_not_opened(
    sandbox: Sandbox, clipmart: Clipmart, link: str
) -> None:
    """Whatever the answer says."""
    sandbox.faults.plan([Fault("answer", method="POST", body={"export_url": link})])
    done = clipmart("export", "job_1", "--download", "out")
    assert done.code == 75
    assert folder(clipmart) == []


def test_an_expired_link_of_the_sandbox(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """An answer with yesterday's link is reported as expired; a second request gets a new one."""
    sandbox.add_job("job_1", clips=1)
    sandbox.export_seconds = 0
    clipmart("export", "job_1", "--download", "out")
    assert folder(clipmart) == ["job_1.mp4"]
    yesterday = f"{sandbox.url}/files/job_1/all.mp4"
    sandbox.clock.advance(hours=25)
    sandbox.faults.plan([Fault("answer", "/jobs/*", body={"export_url": yesterday})])
    assert "has expired" in clipmart("export", "job_1", "--download", "out").err
    assert clipmart("export", "job_1", "--download", "out").code == 0


def test_a_folder_that_cannot_be_created_stops_it_before_it_is_sent(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """A file is in its place."""
    (clipmart.folder / "out").write_text("")
    assert clipmart("export", "job_1", "--download", "out/deeper").code == 3
    assert sandbox.asked() == 0


@pytest.mark.parametrize(
    ("job_id", "platform", "format_", "name"),
    [
        ("job_1", None, "mp4", "job_1.mp4"),
        ("job_1", "tiktok", "zip", "job_1-tiktok.zip"),
        ("..", None, "mp4", "export.mp4"),
        ("-rf", None, "mp4", "rf.mp4"),
        ("..\\windows:x", "reels", "mp4", "_windows_x-reels.mp4"),
        ("épisode", None, "zip", "_pisode.zip"),
    ],
)
def test_the_files_name_holds_no_path(
    job_id: str, platform: str | None, format_: str, name: str
) -> None:
    """Made of the job, the platform and the format."""
    assert file_name(job_id, platform, format_) == name
