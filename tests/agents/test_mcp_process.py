"""`clipmart mcp` as a process: how it begins, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import Settings
from tests.support.agent import over_stdio
from tests.support.clipmart import Clipmart, command_line

ENDLESS = "SELECT max(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b"
HELLO = {
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def clipmart(published: Settings) -> Any:
    clipmart = command_line(published, published.data_dir.parent)
    yield clipmart
    clipmart.end_processes()


def send(process: subprocess.Popen[str], id_: int | None, message: dict[str, Any]) -> None:
    assert process.stdin is not None
    request = {"jsonrpc": "2.0", **({} if id_ is None else {"id": id_}), **message}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def greeted(clipmart: Clipmart) -> subprocess.Popen[str]:
    """A server, and the handshake of an older client in its own bytes."""
    process = clipmart.start("mcp", stdin=subprocess.PIPE)
    send(process, 0, HELLO)
    assert answer(process)["result"]["serverInfo"]["name"] == "clipmart"
    send(process, None, {"method": "notifications/initialized"})
    return process


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def until(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_without_the_extra_it_names_what_to_install(clipmart: Clipmart) -> None:
    """Exit 3 and one line; every other command works as before."""
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from pipelines.cli import main; main(['mcp'], prog_name='clipmart')"
    )
    process = clipmart.start_python(code)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (3, "", 1)
    assert "pip install 'clipmart[mcp]'" in err and "Nothing was started" in err


def test_it_ends_when_its_client_does(clipmart: Clipmart) -> None:
    """With 0; stdout had nothing but the protocol, and no process is left."""
    process = greeted(clipmart)
    send(process, 1, call("query", sql="SELECT 1 AS n"))
    assert '"n": 1' in answer(process)["result"]["content"][0]["text"]
    (worker,) = workers_of(process.pid)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    until(lambda: is_gone(worker))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_sentence(clipmart: Clipmart, number: signal.Signals) -> None:
    """In the middle of a statement, with 75, and no process is left."""
    process = greeted(clipmart)
    send(process, 1, call("query", sql=ENDLESS))
    until(lambda: workers_of(process.pid))
    (worker,) = workers_of(process.pid)
    process.send_signal(number)
    assert process.wait(10) == 75
    out, err = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
    assert (out, err) == (
        "",
        "clipmart: Stopped by a signal. What was saved before stays. Run the command again.\n",
    )
    until(lambda: is_gone(worker))


def test_a_worker_ends_with_a_killed_server(clipmart: Clipmart) -> None:
    """It notices that nobody can call it any more."""
    process = greeted(clipmart)
    send(process, 1, call("status"))
    answer(process)
    (worker,) = workers_of(process.pid)
    process.kill()
    until(lambda: is_gone(worker))


def test_a_cancelled_call_is_stopped(clipmart: Clipmart) -> None:
    """The statement ends at once, and the next call is answered."""
    process = greeted(clipmart)
    send(process, 1, call("query", sql=ENDLESS))
    until(lambda: workers_of(process.pid))
    (worker,) = workers_of(process.pid)
    cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
    send(process, None, cancelled)
    until(lambda: is_gone(worker))
    send(process, 2, call("query", sql="SELECT 7 AS n"))
    until(lambda: answer(process)["id"] == 2)


def test_a_worker_that_dies_is_replaced(clipmart: Clipmart) -> None:
    """Between calls it is not missed; during one, the call fails with a sentence."""
    process = greeted(clipmart)
    for id_ in (1, 2):
        send(process, id_, call("query", sql="SELECT 7 AS n"))
        assert answer(process)["result"]["isError"] is False
        (worker,) = workers_of(process.pid)
        os.kill(worker, signal.SIGKILL)
        until(lambda: not workers_of(process.pid))
    send(process, 3, call("query", sql=ENDLESS))
    until(lambda: workers_of(process.pid))
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    stopped = answer(process)["result"]
    assert stopped["isError"] is True and "Stopped" in stopped["content"][0]["text"]


def test_no_module_of_the_working_folder_is_imported(clipmart: Clipmart) -> None:
    """A client starts the server in the folder where its person works."""
    (clipmart.folder / "duckdb.py").write_text("raise SystemExit('imported from here')")
    with over_stdio(clipmart) as agent:
        assert agent.json("query", sql="SELECT 1 AS n")["rows"] == [{"n": 1}]


def test_two_calls_are_answered_at_a_time(clipmart: Clipmart) -> None:
    """A long statement does not hold up a short one."""
    process = greeted(clipmart)
    send(process, 1, call("query", sql=ENDLESS))
    until(lambda: workers_of(process.pid))
    send(process, 2, call("query", sql="SELECT 7 AS n"))
    assert answer(process)["id"] == 2
    send(process, 3, call("query", sql="SELECT 8 AS n"))
    assert answer(process)["id"] == 3
    assert len(workers_of(process.pid)) == 2
