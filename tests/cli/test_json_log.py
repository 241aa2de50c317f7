"""CLIPMART_LOG=json: stderr is a log of objects, and everything else stays as it is."""

from __future__ import annotations

import http.client
import io
import json
import re
import sys
from datetime import datetime
from typing import Any

import pytest

from pipelines.output import JsonLog, log_as_json, say
from pipelines.sync.progress import Progress, Step
from sandbox import Sandbox
from tests.support.clipmart import Clipmart, Outcome


def entries(stderr: str) -> list[dict[str, Any]]:
    """Every line of stderr, each with exactly four fields."""
    log = [json.loads(line) for line in stderr.splitlines()]
    for entry in log:
        assert list(entry) == ["time", "level", "command", "message"]
        assert entry["time"].endswith("Z") and datetime.fromisoformat(entry["time"])
    return log


def both(clipmart: Clipmart, *command: str) -> tuple[Outcome, Outcome]:
    """The same command with text and with JSON."""
    clipmart.environ.pop("CLIPMART_LOG", None)
    text = clipmart(*command)
    clipmart.environ["CLIPMART_LOG"] = "json"
    return text, clipmart(*command)


@pytest.mark.parametrize(
    ("command", "level"),
    [
        (("sync",), "error"),  # the key is refused
        (("status",), None),
        (("rejected",), "info"),
        (("report", "no-such-report"), "error"),
        (("sync", "--no-such-option"), "error"),
        (("track", "nobody", "job_1"), "error"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_stderr_is_the_same_words_as_objects_and_stdout_the_same(
    synced: Clipmart, command: tuple[str, ...], level: str | None
) -> None:
    """With the level and the command; click's own lines too."""
    synced.environ["KLIPIT_API_KEY"] = "klipit_sk_canary"
    text, as_json = both(synced, *command)
    free = re.compile(r"[\d.,]+ \w+ free")  # other tests write to the same disk
    assert (free.sub("", as_json.out), as_json.code) == (free.sub("", text.out), text.code)
    log = entries(as_json.err)
    assert [entry["message"] for entry in log] == [ln for ln in text.err.splitlines() if ln]
    assert {entry["command"] for entry in log} <= {command[0]}
    assert (log[-1]["level"] if log else None) == level
    assert "canary" not in as_json.err


def test_what_changes_no_result_is_a_warning(synced: Clipmart) -> None:
    """A notification that fails, and a host that is not the vendor's."""
    synced.environ |= {"CLIPMART_LOG": "json", "CLIPMART_NOTIFY": "http://127.0.0.1:9/s3cret"}
    synced.environ["CLIPMART_CREDIT_DAYS"] = "1000,999"
    synced("track", "klipit", "job_gone")
    done = synced("sync", "klipit")
    assert done.code == 1
    log = entries(done.err)
    assert "s3cret" not in done.err
    warnings = [entry["message"] for entry in log if entry["level"] == "warning"]
    assert any("KLIPIT_BASE_URL" in message for message in warnings)
    assert any("notification to 127.0.0.1" in message for message in warnings)


def test_it_can_be_set_in_env_and_nothing_else_is_accepted(clipmart: Clipmart) -> None:
    (clipmart.folder / ".env").write_text("CLIPMART_LOG=json")
    refused = clipmart("report")
    assert refused.code == 3 and entries(refused.err)[0]["level"] == "error"
    clipmart.environ["CLIPMART_LOG"] = "yaml"
    refused = clipmart("report")
    assert refused.code == 3 and refused.err.startswith("clipmart: CLIPMART_LOG can only be")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_progress_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars would break the objects; every 30 s, as in a pipe."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log_as_json("sync")
    progress = Progress()
    progress.show([Step("klipit", 3, 9, 60.0), Step("clipus", 4, 4, 0.0)])
    progress.close()
    assert progress.every_seconds == 30
    assert [entry["message"] for entry in entries(terminal.getvalue())] == [
        "klipit: 3 of 9, ready in 60 s"
    ]


def test_a_message_cannot_leave_its_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, line breaks and a terminal's commands stay inside the text or are gone."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", JsonLog(written, None))
    say('a"b\\c\n{"level": "info"}\x1b[2J\u2028\u202e')
    print("half a ", end="", file=sys.stderr)
    print("line", file=sys.stderr)
    first, second = entries(written.getvalue())
    assert first["message"].startswith('a"b\\c {"level": "info"}')
    assert "\x1b" not in written.getvalue() and "\u202e" not in written.getvalue()
    assert (second["message"], second["level"]) == ("half a line", "error")


def test_the_receiver_logs_objects_too(prepared: Clipmart) -> None:
    """A line for a request, written without waiting, is one object, however long."""
    prepared.environ |= {"CLIPMART_LOG": "json", "KLIPIT_WEBHOOK_SECRET": "whsec_of_today_4f1c"}
    process = prepared.start("listen", "--port", "0")
    assert process.stdout is not None
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    for path in ("/webhooks/klipit", "/" + "%F0%9F%98%80" * 600):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", path, body=b"{}")
        assert connection.getresponse().status >= 400
        connection.close()
    process.terminate()
    _, err = process.communicate(timeout=20)
    log = entries(err)
    assert {entry["command"] for entry in log} == {"listen"}
    assert any("/webhooks/klipit" in entry["message"] for entry in log)


def test_a_defect_is_objects_too(clipmart: Clipmart, sandbox: Sandbox) -> None:
    """A traceback is a line for each of its own."""
    clipmart.environ["CLIPMART_LOG"] = "json"
    process = clipmart.start_python(
        "import sys\n"
        "from pipelines.cli import run\n"
        "import pipelines.health.status as status\n"
        "def broken(settings): raise AssertionError('a defect')\n"
        "status.status = broken\n"
        "sys.argv = ['clipmart', 'status']\n"
        "run()"
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    last = entries(err)[-1]
    assert (last["level"], last["message"]) == ("error", "AssertionError: a defect")
