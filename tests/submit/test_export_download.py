"""`export --download`: a file that is there whole or not at all, fetched without our key."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.export import file_name
from sandbox import Fault, Sandbox
from tests.conftest import Clipmart


@dataclass
class Host:
    """Another host: what it was sent, and how it answers."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    size: int = 1000
    promised: int | None = None
    location: str | None = None


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
            for _ in range(0, state.size, 1000):
                self.wfile.write(b"x" * 1000)

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
    """75: the same command asks for a new one. Nothing is left in the folder."""
    host.status = status
    done = linked("export", "job_1", "--download", "out", "--json")
    assert done.code == 75
    told = done.json()
    assert (told["state"], told["path"]) == ("ready", None)
    assert str(status) in told["error"]
    assert "new link" in told["error"]
    assert "canary" not in done.out + done.err
    assert folder(linked) == []


def test_a_download_that_breaks_off_leaves_what_was_there(linked: Clipmart, host: Host) -> None:
    """Shorter than promised is no file; an earlier one stays."""
    (linked.folder / "out").mkdir()
    (linked.folder / "out/job_1.mp4").write_text("earlier")
    host.promised = host.size + 1
    done = linked("export", "job_1", "--download", "out")
    assert done.code == 75
    assert "broke off" in done.err
    assert (linked.folder / "out/job_1.mp4").read_text() == "earlier"
    assert folder(linked) == ["job_1.mp4"]


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
    """An answer with a link of yesterday is told as expired; asked again, it comes anew."""
    sandbox.add_job("job_1", clips=1)
    sandbox.export_seconds = 0
    clipmart("export", "job_1", "--download", "out")
    assert folder(clipmart) == ["job_1.mp4"]
    yesterday = f"{sandbox.url}/files/job_1/all.mp4"
    sandbox.clock.advance(hours=25)
    sandbox.faults.plan([Fault("answer", "/jobs/*", body={"export_url": yesterday})])
    assert "has expired" in clipmart("export", "job_1", "--download", "out").err
    assert clipmart("export", "job_1", "--download", "out").code == 0


def test_a_folder_that_cannot_be_made_stops_it_before_it_is_sent(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """A file stands in its place."""
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
