"""Starting, stopping, the clock, the log, the windows, webhooks, and a separate process."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import Sandbox, running, running_apart
from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY
from sandbox.limits import Limits

KLIPIT = {"authorization": f"Bearer {KLIPIT_KEY}"}


@pytest.fixture
def inbox() -> Iterator[Any]:
    """A receiver of webhooks: its URL, and (headers, body) of what came."""
    came = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", came
        server.shutdown()
        thread.join()


def test_the_date_header_follows_the_domain_clock(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """One Date, from the clock; faults have it too."""
    sandbox.clock.advance(seconds=1.7)
    sandbox.faults.plan([{"kind": "error"}])
    for _ in range(2):
        answer = klipit.get("/account")
        assert answer.headers.get_list("date") == ["Wed, 08 Apr 2026 12:00:01 GMT"]
        assert "server" not in answer.headers


def test_the_clock_defaults_to_the_machine_or_to_clipmart_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CLIPMART_NOW pins it; set(None) follows the machine."""
    monkeypatch.setenv("CLIPMART_NOW", "2026-01-01T02:00:00+02:00")
    sandbox = Sandbox()
    assert sandbox.clock.now().isoformat() == "2026-01-01T00:00:00+00:00"
    sandbox.clock.set(None)
    assert abs(sandbox.clock.now().timestamp() - time.time()) < 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "rebound.example"}, 403),
        ({"host": "127.0.0.1.rebound.example"}, 403),
        ({"host": "[broken"}, 403),
        ({"origin": "https://page.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
    ],
)
def test_no_web_page_reaches_the_control_path(
    sandbox: Sandbox, headers: dict[str, Any], status: int
) -> None:
    """Neither from another origin nor under a host name of its own for this machine."""
    before = sandbox.balance
    body = [["top_up", [1], {}]]
    answer = httpx.post(f"{sandbox.url}/_sandbox/call", json=body, headers=headers)
    assert answer.status_code == status
    assert sandbox.balance == before + (status == 200)
    assert httpx.get(f"{sandbox.url}/_sandbox/klipit.csv", headers=headers).status_code == status


def test_the_log_names_keys_and_never_shows_them(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Every request is there with its status; an unknown key is a fingerprint."""
    klipit.get("/account")
    klipit.get("/jobs/none", headers={"authorization": "Bearer klipit_sk_private"})
    first, second = sandbox.requests
    assert (first.method, first.path, first.key, first.status) == ("GET", "/account", "klipit", 200)
    assert second.key is not None and second.key.startswith("unknown:")
    assert "private" not in repr(sandbox.requests)
    assert KLIPIT_KEY not in repr(sandbox.requests)
    assert sandbox.asked("GET", "/jobs/*", status=401) == 1
    assert sandbox.asked(service="clipus") == 0
    sandbox.forget_requests()
    assert sandbox.asked() == 0


def test_a_window_slides_over_arrivals_and_refusals_do_not_count() -> None:
    """At most the limit within any minute; a place is free exactly one minute after an arrival."""
    limits, bucket = Limits(60), ("key", "polls")
    assert [limits.admit(bucket, 2, at) for at in (0.0, 30.0, 59.0)] == [0, 0, 1.0]
    assert limits.admit(bucket, 2, 60.0) == 0
    assert limits.admit(bucket, 2, 89.9) == pytest.approx(0.1)
    assert limits.admit(bucket, 2, 90.0) == 0
    assert limits.admit(("other", "polls"), 2, 90.0) == 0


def test_the_rate_minute_is_as_long_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIPMART_MINUTE_SECONDS shortens it; 0 turns limits off."""
    monkeypatch.setenv("CLIPMART_MINUTE_SECONDS", "0.5")
    assert Sandbox().limits.minute_seconds == 0.5
    assert Sandbox(minute_seconds=0).limits.minute_seconds == 0


def test_klipits_events_are_signed_and_sent_when_due(sandbox: Sandbox, inbox: Any) -> None:
    """job.created at once, job.complete with clip_count at its instant, each once."""
    url, came = inbox
    sandbox.webhooks.url = url
    job_id = sandbox.submit_job({"source_url": "https://good.example/1"})
    assert sandbox.deliver_due_webhooks() == 1
    sandbox.clock.advance(hours=1)
    assert sandbox.deliver_due_webhooks() == 1
    assert sandbox.deliver_due_webhooks() == 0
    events = [json.loads(body) for _, body in came]
    assert [event["event"] for event in events] == ["job.created", "job.complete"]
    assert events[1].keys() == {"event", "job_id", "clip_count", "timestamp"}
    assert events[1]["job_id"] == job_id
    for headers, body in came:
        wanted = hmac.new(b"whsec_sandbox_only", body, hashlib.sha256).hexdigest()
        assert headers["x-klipit-signature"] == wanted


def test_a_failed_job_and_any_other_event_can_be_sent(sandbox: Sandbox, inbox: Any) -> None:
    """job.failed has the error; notify() works for jobs that were only added."""
    url, came = inbox
    sandbox.webhooks.url = url
    sandbox.submit_job({"source_url": "https://failing.example/1"})
    sandbox.clock.advance(hours=1)
    sandbox.notify("job.archived", "job_1", reason="old")
    assert sandbox.deliver_due_webhooks() == 3
    events = [json.loads(body) for _, body in came]
    assert events[1]["event"] == "job.failed"
    assert events[1]["error"]
    assert events[2]["event"] == "job.archived"


def test_clipus_calls_the_submissions_url_unsigned(
    sandbox: Sandbox, clipus: httpx.Client, inbox: Any
) -> None:
    """One call when the campaign ends, without a signature."""
    url, came = inbox
    body = {"url": "https://good.example/", "webhook_url": f"{url}?token=t"}
    campaign_id = clipus.post("/api/v1/campaigns", json=body).json()["campaign_id"]
    sandbox.clock.advance(hours=1)
    assert sandbox.deliver_due_webhooks() == 1
    (headers, raw) = came[0]
    assert json.loads(raw) == {"campaign_id": campaign_id, "status": "completed"}
    assert "x-klipit-signature" not in headers


def test_a_receiver_that_is_away_breaks_nothing(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """The failure is recorded, and the server continues."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sandbox.webhooks.url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    sandbox.notify("job.created", "job_1")
    assert sandbox.deliver_due_webhooks() == 1
    assert sandbox.webhooks.deliveries[0].outcome == "ConnectError"
    assert klipit.get("/account").status_code == 200


def test_webhooks_are_sent_in_the_background_if_configured(inbox: Any) -> None:
    """As `serve` does it."""
    url, came = inbox
    with running(Sandbox(webhook_url=url), deliver_webhooks=True) as sandbox:
        sandbox.notify("job.created", "job_1")
        give_up = time.monotonic() + 5
        while not came and time.monotonic() < give_up:
            time.sleep(0.02)
    assert json.loads(came[0][1])["job_id"] == "job_1"


def test_the_lines_to_paste_start_the_clipmart_that_runs(tmp_path: Path) -> None:
    """By its path if it is not on PATH, as after `make demo`."""
    program = Path(sys.executable).with_name("clipmart")
    environ = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
    served = subprocess.Popen(
        [program, "sandbox", "--history", "--port", "0"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        lines = [served.stdout.readline() for _ in range(8)]
    finally:
        served.terminate()
        served.communicate(timeout=10)
    tracking = [line.split(" | ")[1] for line in lines if " | " in line]
    assert [shlex.split(line)[0] for line in tracking] == [str(program)] * 2


def test_parallel_submissions_get_different_ids(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Forty submissions: forty ids, and credits that add up."""
    sandbox.balance = 1000
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: klipit.post("/jobs", json={"source_url": f"https://good.example/{n}"}),
                range(40),
            )
        )
    assert len({answer.json()["id"] for answer in answers}) == 40
    assert sandbox.balance == sandbox.credit_changes[-1].balance


def test_a_separate_process_takes_the_same_calls() -> None:
    """Records, clock, faults, keys and the log work over HTTP; errors come back as errors."""
    with running_apart("--minute-seconds", "0", "--now", "2026-04-08T12:00:00Z") as remote:
        remote.call([("add_job", (f"job_{n}",), {"clips": 2}) for n in range(50)])
        remote.add_campaign("c-1", videos=[{"id": "v1"}])
        remote.clock.advance(hours=1)
        remote.faults.plan([{"kind": "error", "path": "/jobs/job_7"}])
        answer = httpx.get(f"{remote.klipit_url}/jobs/job_7", headers=KLIPIT)
        assert answer.status_code == 500
        assert answer.headers["date"] == "Wed, 08 Apr 2026 13:00:00 GMT"
        assert remote.asked("GET", "/jobs/*") == 1
        assert remote.read("requests")[0]["key"] == "klipit"
        assert remote.read("faults.unused") == []
        remote.set_balance(7)
        assert remote.read("balance") == 7
        campaign = httpx.get(
            f"{remote.clipus_url}/api/v1/campaigns/c-1", headers={"x-api-key": CLIPUS_KEY}
        )
        assert campaign.json()["videos"] == [{"id": "v1"}]
        with pytest.raises(ValueError, match="no_such"):
            remote.no_such()
        assert httpx.get(f"{remote.url}/_sandbox/elsewhere").status_code == 404


def start(*arguments: Any) -> Any:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quickly(number: Any) -> None:
    """It prints its lines, serves, and ends with 0 while a client is still connected."""
    with start("--port", "0", "--history") as process:
        lines = [process.stdout.readline().strip() for _ in range(8)]
        exported = dict(re.findall(r"^export (\w+)=(.*)$", "\n".join(lines), re.MULTILINE))
        assert exported["KLIPIT_API_KEY"] == KLIPIT_KEY
        assert exported["CLIPUS_API_KEY"] == CLIPUS_KEY
        with httpx.Client() as client:
            answer = client.get(f"{exported['KLIPIT_BASE_URL']}/account", headers=KLIPIT)
            assert answer.status_code == 200
            (link,) = re.findall(r"curl -s (\S+/klipit.csv) ", lines[6])
            head, first, *_ = client.get(link).text.splitlines()
            assert head.startswith("job_id,show_name,guest_name,description,platforms,source_url")
            assert first.startswith("job_01")
            started = time.monotonic()
            os.kill(process.pid, number)
            assert process.wait(5) == 0
            assert time.monotonic() - started < 2
        assert process.stderr.read() == ""


def test_a_port_in_use_is_one_clear_line() -> None:
    """Exit code 3, and the line names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with start("--port", port) as process:
            out, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert out == ""
    assert len(err.splitlines()) == 1
    assert port in err


def test_the_package_imports_nothing_of_the_code_it_tests() -> None:
    """No parser, constant or model is shared with sources or pipelines."""
    code = (
        "import sys, sandbox, sandbox.__main__;"
        "print([m for m in sys.modules if m.split('.')[0] in ('sources', 'pipelines', 'dlt')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
