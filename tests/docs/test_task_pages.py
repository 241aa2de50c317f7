"""Pages by task whose commands a person types: they run as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.demo_run import clean_environment

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
NOBODY = "http://127.0.0.1:9"
"""Where no program listens: what a page's command posts reaches nobody."""
WATCH = """
import os, sys
def watch(event, args):
    if event == "socket.getaddrinfo":
        event_line = f"looked up {args[0]}"
    elif event == "socket.connect" and isinstance(args[1], tuple):
        event_line = f"connected {args[1][0]}:{args[1][1]}"
    else:
        return
    with open(os.environ["WATCHED"], "a") as file:
        file.write(event_line + "\\n")
sys.addaudithook(watch)
"""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def shell(clipmart: Clipmart, command: str) -> subprocess.CompletedProcess[str]:
    """Run a page's lines as a person's shell does, in the folder of the checkout."""
    command = command.replace("klipit_sk_…", "klipit_sk_sandbox")
    command = command.replace("sk_live_…", "sk_live_sandbox")
    command = re.sub(r"https://(ntfy\.sh|hc-ping\.com|hooks\.example\.com)", NOBODY, command)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=clipmart.folder,
        env=clean_environment()
        | clipmart.environ
        | {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": str(clipmart.folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "page",
    ["agents", "health", "keys", "ids", "privacy", "reports", "scale", "scheduling", "terminal"],
)
def test_the_commands_run(page: str, synced: Clipmart) -> None:
    """One after the other, from top to bottom, without an error."""
    for command in blocks(page, "sh"):
        done = shell(synced, command)
        assert done.returncode == 0, (command, done.stderr)


def test_ids_that_the_page_tracks_are_known(clipmart: Clipmart) -> None:
    """By name, from its CSV with guests, and from the other file's column."""
    for command in blocks("ids", "sh"):
        shell(clipmart, command)

    known = clipmart("ids", "klipit").out
    assert re.findall(r"^job_01hx3k9q2d7p8r4(\w)", known, flags=re.M) == ["t", "v", "x", "y"]
    assert re.search("r4t,My show,Ada,.*2026-04-01T09:00:00", known)
    assert re.search("r4v,My show,Grace,", known)


def test_keys_in_env_are_private_and_used(sandbox: Sandbox, synced: Clipmart) -> None:
    """The page's lines create a private file, whose keys a sync then sends."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        synced.environ.pop(name)
    assert synced("sync").code == 3
    (lines,) = [block for block in blocks("keys", "sh") if ".env" in block]

    assert shell(synced, lines).returncode == 0

    assert (synced.folder / ".env").stat().st_mode & 0o077 == 0
    assert synced("sync", "klipit").code == 0
    assert sandbox.asked("GET", "*/account", status=200) == 2  # `clipmart doctor` requests it too


def test_keys_in_secrets_toml_are_used(sandbox: Sandbox, synced: Clipmart) -> None:
    """The page's example, word for word except for the keys."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        synced.environ.pop(name)
    (example,) = blocks("keys", "toml")
    for shown, key in (("klipit_sk_…", "klipit_sk_sandbox"), ("sk_live_…", "sk_live_sandbox")):
        example = example.replace(shown, key)
    (synced.folder / ".dlt").mkdir()
    (synced.folder / ".dlt/secrets.toml").write_text(example)
    assert synced("sync", "klipit").code == 0
    assert sandbox.asked("GET", "*/account", status=200) == 1


def watched(folder: Path, *command: str, **environ: str) -> set[str]:
    """What a command and its children look up and connect to."""
    (folder / "watch").mkdir()
    (folder / "watch/sitecustomize.py").write_text(WATCH)
    (folder / "home").mkdir()
    log = folder / "watched"
    log.touch()
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment()
        | environ
        | {"PYTHONPATH": str(folder / "watch"), "WATCHED": str(log), "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return set(log.read_text().splitlines())


def test_a_sync_talks_only_to_the_api(sandbox: Sandbox, prepared: Clipmart) -> None:
    """Fetched, loaded, built and published, all processes watched; nothing else is contacted."""
    sandbox.add_job("job_1", clips=2)
    prepared("track", "klipit", "job_1")
    api = urlsplit(sandbox.klipit_url)

    seen = watched(
        prepared.folder,
        *(str(PROGRAMS / "clipmart"), "sync"),
        **prepared.environ | {"RUNTIME__DLTHUB_TELEMETRY": "true"},
    )

    assert prepared.rows("SELECT count(*) FROM klipit.clips") == [(2,)]
    assert f"connected {api.hostname}:{api.port}" in seen
    assert {line for line in seen if "127.0.0.1" not in line} == set()
    assert {line for line in seen if line.startswith("connected")} == {
        f"connected {api.hostname}:{api.port}"
    }
    assert list((prepared.folder / "home").iterdir()) == []


@pytest.mark.soak
def test_compiling_the_models_talks_to_nobody(tmp_path: Path) -> None:
    """Although the environment allows SQLMesh's statistics."""
    pytest.importorskip("sqlmesh")
    code = "from pipelines.warehouse.compiler import compile_project; compile_project()"
    seen = watched(
        tmp_path,
        *(sys.executable, "-c", code),
        SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="false",
    )
    assert seen == set()
    assert list((tmp_path / "home").iterdir()) == []


def test_telemetry_left_on_would_be_seen(tmp_path: Path) -> None:
    """The test above can fail: dlt alone, by default, looks up an address of its vendor."""
    (tmp_path / "load.py").write_text(
        "import dlt\n"
        "p = dlt.pipeline('p', destination='duckdb', pipelines_dir='p')\n"
        "p.run([{'a': 1}], table_name='t')\n"
    )
    seen = watched(
        tmp_path,
        *(sys.executable, "load.py"),
        RUNTIME__DLTHUB_TELEMETRY="true",
        CI="",
    )
    assert any("telemetry" in line for line in seen), seen


def workflow() -> Any:
    (text,) = blocks("scheduling", "yaml")
    return yaml.safe_load(text)


def test_the_github_workflow_continues_where_the_last_one_ended(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """Its `run:` lines, on the data of the run before, request nothing that is settled."""
    (job,) = workflow()["jobs"].values()
    steps = job["steps"]
    restored, saved = (
        next(step for step in steps if f"cache/{verb}@" in step.get("uses", ""))
        for verb in ("restore", "save")
    )
    assert restored["with"]["path"] == saved["with"]["path"] == synced.data_dir.name
    for step in (restored, saved):
        assert step["with"]["key"].startswith(restored["with"]["restore-keys"])
    assert saved["if"] == "always()"
    assert all(name in synced.environ for name in job["env"])
    (synced.folder / ".venv").symlink_to(PROGRAMS.parent)
    (synced.folder / "ids").mkdir()
    (synced.folder / "ids/klipit.csv").write_text(synced("ids", "klipit").out)
    (synced.folder / "ids/clipus.csv").write_text("campaign_id\n")

    for step in steps:
        if "run" in step and not step["run"].startswith("make"):
            done = shell(synced, step["run"])
            assert done.returncode == 0, (step["run"], done.stderr)

    assert sandbox.asked("GET", "*/account") == 1
    assert sandbox.asked("GET", "*/jobs/*") == 0


@pytest.mark.parametrize("example", blocks("scheduling", "python"), ids=["dagster", "airflow"])
def test_the_examples_for_orchestrators_are_python(example: str) -> None:
    """They compile, and call the program of the same checkout as `deploy/`."""
    compile(example, "example", "exec")
    (checkout,) = re.findall(r'^CHECKOUT = "(.+)"$', example, flags=re.M)
    assert f"{checkout}/.venv/bin/clipmart" in (ROOT / "deploy/crontab").read_text()
    assert ".venv/bin/clipmart" in example
