"""Whatever an API answers: nothing of it steers a terminal, hides itself or forges a line."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.output import printable, say
from pipelines.settings import load_settings
from pipelines.submissions.request import klipit_request
from pipelines.submissions.submit import submit
from sandbox import Fault, Sandbox, running
from tests.support.clipmart import Clipmart, environment

pytestmark = pytest.mark.xdist_group("hostile")

# A terminal's reset, its clipboard, a colour, a return, a forged line, C1, a change of direction,
# hidden text in tags and in variation selectors, and what has no width.
HOSTILE = (
    "a\x1bc\x1b]52;c;aGk=\x07\x1b[31mred\rb\nclipmart: forged\x9b2J\u202e\u2066"
    "\U000e0041\U000e0142\u200b\u200c\u200d\ufeff\u00ad\u061cz"
)
UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e0fff]"
)


def check(text: str) -> None:
    assert not UNSEEN.search(text), ascii(text)
    assert not [line for line in text.splitlines() if line.startswith("clipmart: forged")]


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    """Both APIs, with such text in every field that may hold some."""
    with running(Sandbox(now="2026-04-08T12:00:00Z", minute_seconds=0)) as served:
        clip = {"id": "c1", "shareability_score": 90.0}
        texts = dict.fromkeys(("moment_type", "hook_suggestion", "reason", "media_url"), HOSTILE)
        served.add_job("job_1", clips=[clip | texts], title=HOSTILE, **{HOSTILE: HOSTILE})
        served.add_job("job_2", status="failed", error=HOSTILE)
        served.add_job("job_3", status=HOSTILE)
        served.add_job("job_4", clips=[{"id": HOSTILE, "shareability_score": HOSTILE}])
        served.add_campaign("cmp_1", title=HOSTILE, url=HOSTILE, status=HOSTILE)
        yield served


@pytest.fixture(scope="module")
def hostile(api: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Clipmart:
    """All of it synced and published, shows and guests named so too."""
    clipmart = Clipmart(tmp_path_factory.mktemp("hostile"), environment(api))
    lines = io.StringIO(newline="")
    rows = [["job_id", "show_name", "guest_name"]]
    rows += [[f"job_{number}", HOSTILE, HOSTILE] for number in range(1, 4)]
    rows += [["job_4", "a\u2028clipmart: forged\x0bclipmart: forged", "unquoted in csv"]]
    csv.writer(lines).writerows(rows)
    (clipmart.folder / "jobs.csv").write_text(lines.getvalue(), newline="")
    assert clipmart("track", "klipit", "--from", "jobs.csv").code == 0
    clipmart("track", "clipus", "cmp_1")
    done = clipmart("sync")
    assert done.code in (0, 1), done.err
    check(done.out + done.err)
    return clipmart


def on_terminal(clipmart: Clipmart, *arguments: str, **environ: str) -> str:
    """What a command writes to a terminal, both streams, as a process of its own."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=clipmart.folder,
        env={**os.environ, **clipmart.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(mine, 65536):
            written += part
    except OSError:  # Linux: the process has closed it
        pass
    os.close(mine)
    process.wait(60)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "command",
    [
        ["query", "FROM klipit.jobs", "--format", "csv"],
        ["report", "top-clips", "--format", "csv"],
        ["ids", "klipit"],
        ["status"],
    ],
    ids=" ".join,
)
def test_nothing_reaches_a_terminal(hostile: Clipmart, command: list[str]) -> None:
    """Csv and ids too: there a person reads them, not a program."""
    written = on_terminal(hostile, *command, NO_COLOR="1")
    assert "job_1" in written or command == ["status"]
    check(written)


def test_our_own_colours_stay(hostile: Clipmart) -> None:
    """A level is coloured after the text next to it was cleaned."""
    written = on_terminal(hostile, "status", NO_COLOR="")
    assert re.search("\x1b\\[3[123]m(ok|warn|fail)\x1b\\[0m", written)
    check(re.sub("\x1b\\[(3[123]|0)m", "", written))


def test_csv_in_a_pipe_is_the_very_text(hostile: Clipmart) -> None:
    """Byte for byte, colours of an API's included."""
    sql = "SELECT show_name FROM klipit.submissions WHERE job_id = 'job_1'"
    out = hostile.start("query", sql, "--format", "csv").communicate(timeout=60)[0]
    (row,) = list(csv.reader(io.StringIO(out, newline="")))[1:]
    # The process's own reader, like every text file's in Python, takes \r for a line's end.
    assert row == [HOSTILE.replace("\r", "\n")]


@pytest.mark.parametrize(
    "command",
    [
        ["report"],
        ["report", "failures"],
        ["report", "top-clips"],
        ["report", "top-clips", "--format", "markdown"],
        ["query", "FROM klipit.submissions"],
        ["query", "SELECT show_name::INTEGER FROM klipit.submissions"],
        ["rejected"],
        ["sync", "--refresh", "job_1"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_nothing_reaches_a_pipe_but_as_data(hostile: Clipmart, command: list[str]) -> None:
    """Tables, messages and errors are for people, in a pipe too."""
    done = hostile(*command)
    check(done.out + done.err)


@pytest.mark.parametrize(
    "command",
    [
        ["query", "FROM klipit.submissions", "--format", "json"],
        ["rejected", "--json"],
        ["status", "--json"],
        ["doctor", "--json"],
        ["sync", "--json"],
    ],
    ids=" ".join,
)
def test_json_says_the_same_without_the_characters(hostile: Clipmart, command: list[str]) -> None:
    """Escaped as JSON allows: a parser gives the text as it is stored."""
    done = hostile(*command)
    check(done.out)
    parsed = json.loads(done.out)
    if command[0] == "query":
        assert {row["show_name"] for row in parsed["rows"]} >= {HOSTILE}


def test_json_of_a_folder_with_such_a_name(tmp_path: Path) -> None:
    """Before anything is stored; the folder's name is the same when it is parsed."""
    named = tmp_path / "d\u202e\x1bc\u200b"
    clipmart = Clipmart(tmp_path, {"CLIPMART_DATA_DIR": str(named)})
    for command in ("status", "doctor"):
        check(clipmart(command).out)
        done = clipmart(command, "--json")
        check(done.out)
        assert str(named) in str(json.loads(done.out)).replace(repr(str(named))[1:-1], str(named))


def test_what_submit_says_while_it_waits(
    sandbox: Sandbox, clipmart: Clipmart, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any status is one line with its job."""

    async def no_wait(_: float) -> None:
        pass

    sandbox.add_job("job_1", clips=2)
    sandbox.faults.plan(
        [
            Fault("answer", "/jobs", "POST", body={"id": "job_1"}),
            Fault("answer", "/jobs/*", body={"id": "job_1", "status": HOSTILE}),
        ]
    )
    environ = {**clipmart.environ, "CLIPMART_DATA_DIR": str(clipmart.data_dir)}
    settings = load_settings(environ, clipmart.folder)
    request = klipit_request(source_url="https://good.example/1")
    submit(settings, request, wait=True, say=say, sleep=no_wait)
    err = capsys.readouterr().err
    check(err)
    assert [line.startswith("klipit: job_1 is ") for line in err.splitlines()] == [True, True]


def test_what_a_refusal_says(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The vendor's reason is quoted in one line."""
    body = {"error": {"message": HOSTILE, "code": HOSTILE}}
    sandbox.faults.plan([Fault("answer", "/jobs", "POST", status=422, body=body)])
    done = clipmart("submit", "klipit", "--source-url", "https://good.example/1")
    check(done.out + done.err)
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "link",
    ["https://a\x1bcb\u202e.example/x", f"https://{HOSTILE}/x", "https://%1bc%0aclipmart:/x"],
)
def test_the_host_that_an_export_names(sandbox: Sandbox, clipmart: Clipmart, link: str) -> None:
    """A host with a terminal's reset in it is shown without."""
    sandbox.add_job("job_1", clips=2)
    sandbox.faults.plan([Fault("answer", "/jobs/*", "POST", times=None, body={"export_url": link})])
    done = clipmart("export", "job_1", "--download", "clips")
    assert done.code
    check(done.out + done.err)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", "a\x85b", "a\tb"])
def test_a_line_stays_one_line(text: str) -> None:
    """By every way in which a program or Python separates lines."""
    assert len(printable(text).splitlines()) == 1


ALLOWED = {
    "pipelines/cli/commands.py sys.std": "flushed at the end",
    "pipelines/cli/failures.py sys.std": "closed where its reader closed it",
    "pipelines/reports/terminal.py sys.std": "only asks whether it is a terminal",
    "pipelines/sync/progress.py sys.std": "bars of our own numbers and the services' names",
    "pipelines/sync/progress.py Console(": "the same",
    "pipelines/webhooks/log.py sys.std": "only asks whether it is a log of JSON",
    "pipelines/webhooks/log.py os.write(2": "a log that must not wait; cleaned there",
}


def test_nothing_else_prints() -> None:
    """Every way out of the process, in every module, is the one that cleans."""
    ways = (
        r"click\.s?echo|(?<![.\w])print\(|sys\.std|(?<!\w)Console\(|os\.write\(2|print_exc"
        r"|stderr\.write"
    )
    printing = {
        f"{path} {way}"
        for folder in ("pipelines", "sources")
        for path in Path(folder).rglob("*.py")
        for way in re.findall(ways, path.read_text())
        if path.name != "output.py"
    }
    assert printing == set(ALLOWED)
