"""`clipmart schedule`: what it prints runs, from a folder with a space and a % in its name."""

from __future__ import annotations

import fcntl
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.schedule.units import Place, crontab, systemd_units, watching
from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.programs import needs

ROOT = Path(__file__).parents[2]
ODD = "my clips 50% %h"
PING = "https://hc.example.com/a%20b?create=1"
HOOK = "https://hooks.example.com/a%20b?tpl=1&t={{.title}}"


@pytest.fixture
def data(tmp_path: Path, prepared_state: Path) -> Path:
    """A data folder with a space in its name."""
    shutil.copytree(prepared_state, tmp_path / "my data" / "state")
    return tmp_path / "my data"


@pytest.fixture
def here(clipmart: Clipmart, data: Path) -> Clipmart:
    """clipmart in a folder with an odd name, its settings in `.env` alone."""
    clipmart.folder /= ODD
    clipmart.folder.mkdir()
    settings = {**clipmart.environ, "CLIPMART_DATA_DIR": data}
    (clipmart.folder / ".env").write_text("\n".join(f"{k}={v}" for k, v in settings.items()))
    clipmart.environ = {}
    return clipmart


def as_cron_runs(line: str) -> subprocess.CompletedProcess[str]:
    r"""Run a line at once, as cron does: `\%` is a %, a bare one would end the command."""
    *when, command = line.split(maxsplit=5)
    assert when == ["*/15", "*", "*", "*", "*"]
    assert not re.search(r"(?<!\\)%", command)
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")],
        cwd="/",
        env={"HOME": "/", "LOGNAME": "nobody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_line_for_cron_syncs_and_says_nothing(
    sandbox: Sandbox, here: Clipmart, data: Path
) -> None:
    """In cron's bare environment, with the keys of `.env`; mail comes of a failure alone."""
    sandbox.add_job("job_1", clips=2)
    here("track", "klipit", "job_1")
    printed = here("schedule", "cron")
    (line,) = commands(printed.out)
    assert (printed.code, printed.err) == (0, "")

    first = as_cron_runs(line)

    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert here("query", "SELECT count(*) FROM klipit.clips", "--format", "csv").out.endswith(
        "\n2\n"
    )
    assert "published" in (data / "sync.log").read_text()

    with (data / "state/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        busy = as_cron_runs(line)
    assert (busy.returncode, busy.stdout, busy.stderr) == (0, "", "")

    (here.folder / ".env").unlink()
    failed = as_cron_runs(line)
    assert "KLIPIT_API_KEY is not set" in failed.stdout


def test_the_log_of_cron_is_bounded(here: Clipmart, data: Path) -> None:
    """Above 5 MiB it is moved aside, and replaces the one before; below, it is added to."""
    here("sync")
    (line,) = commands(here("schedule", "cron").out)
    log, earlier = data / "sync.log", data / "sync.log.1"
    for size, moved in ((5 << 20, False), ((5 << 20) + 513, True), ((5 << 20) + 1024, True)):
        log.write_bytes(b"x" * size)
        ran = as_cron_runs(line)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        assert (log.stat().st_size < 1000) is moved
        assert (earlier.stat().st_size if earlier.exists() else None) == (size if moved else None)
        assert "nothing changed" in log.read_text()[-1000:]


def test_the_address_to_notify_reaches_the_sync(here: Clipmart) -> None:
    """As it was given, through cron's own rules and the shell's; one that cannot is refused."""
    (line,) = commands(here("schedule", "cron", "--notify", HOOK, "--ping", PING).out)
    words = shlex.split(line.replace("\\%", "%"))
    assert words[words.index("--notify") :][:4] == ["--notify", HOOK, "--ping", PING + ";"]

    for option in ("--notify", "--ping"):
        refused = here("schedule", "cron", option, "https://hooks.example.com/it's")
        assert refused.code == 2 and "hooks.example.com" not in refused.err
        assert option in refused.err


def test_systemd_reads_the_units_as_meant(tmp_path: Path) -> None:
    """Its own parser finds nothing to complain of, and every path is the one that was meant."""
    analyze = needs("systemd-analyze")
    program = tmp_path / ODD / ".venv/bin/clipmart"
    program.parent.mkdir(parents=True)
    program.symlink_to("/bin/true")
    place = Place(program, tmp_path / ODD, tmp_path / ODD / "data", "clipmart")
    units = tmp_path / "units"
    units.mkdir()
    for name, unit in systemd_units(place, watching(HOOK, PING)).items():
        (units / name).write_text(unit)

    quiet = subprocess.run(
        [analyze, "verify", *units.iterdir()], capture_output=True, text=True, timeout=60
    )
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")

    sync = f"sync --max-minutes 14 --notify {HOOK} --ping {PING}"
    for name, arguments in [("sync", sync), ("listen", "listen")]:
        output = subprocess.run(
            [analyze, "verify", units / f"clipmart-{name}.service"],
            env={"SYSTEMD_LOG_LEVEL": "debug"},
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        loaded = output.split(f"-> Unit clipmart-{name}.service:")[1]
        assert f"WorkingDirectory: {place.folder}\n" in loaded
        assert f"Environment: CLIPMART_DATA_DIR={place.data_dir}\n" in loaded
        assert f"ReadWritePaths: {place.data_dir}\n" in loaded
        command = re.findall(r"Command Line: (.*)", loaded)
        assert [shlex.split(line) for line in command] == [[str(program), *arguments.split()]]
        assert "ProtectSystem: strict\n" in loaded


def test_a_unit_that_failed_is_reported(tmp_path: Path) -> None:
    """The unit that a service names in OnFailure= posts which one failed, to the same address."""
    analyze = needs("systemd-analyze")
    place = Place(Path("/bin/true"), tmp_path, tmp_path, "root")
    units = systemd_units(place, watching(HOOK, PING))
    for name, unit in units.items():
        (tmp_path / name).write_text(unit)
    # An instance is what systemd starts; a copy under its name is what `verify` can load.
    instance = tmp_path / "clipmart-failed@clipmart-sync.service"
    instance.write_text(units["clipmart-failed@.service"])
    output = subprocess.run(
        [analyze, "verify", instance, tmp_path / "clipmart-sync.service"],
        env={"SYSTEMD_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    (reporting,) = re.findall(r"-> Unit (clipmart-failed@\S+):", output)
    loaded = output.split(f"-> Unit {reporting}:")[1].split("-> Unit ")[0]
    (command,) = re.findall(r"Command Line: (.*)", loaded)
    *words, message = shlex.split(command)
    assert words == ["/bin/true", "notify"]
    assert message == "clipmart-sync failed: journalctl -u clipmart-sync -n 20"
    assert f"CLIPMART_NOTIFY={HOOK}\n" in loaded
    assert f"OnFailure: {reporting} " in output


def test_the_service_is_shut_in(here: Clipmart, tmp_path: Path) -> None:
    """systemd's own judgement of its exposure is 'OK' (below 5) or better."""
    analyze = needs("systemd-analyze")
    here("schedule", "systemd", "--write", str(tmp_path / "units"))
    for name in ("sync", "listen", "failed@"):
        unit = tmp_path / f"units/clipmart-{name}.service"
        done = subprocess.run(
            [analyze, "security", "--offline=true", "--threshold=50", unit],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout


def test_written_units_are_the_printed_ones(here: Clipmart, data: Path, tmp_path: Path) -> None:
    """Four files; they name this checkout's program and the owner of the data."""
    printed = here("schedule", "systemd").out
    written = here("schedule", "systemd", "--write", str(tmp_path / "units")).out

    files = [Path(line) for line in written.splitlines()]
    assert {file.name for file in files} == {
        "clipmart-sync.service",
        "clipmart-sync.timer",
        "clipmart-listen.service",
        "clipmart-failed@.service",
    }
    for file in files:
        assert f"# {file.name}\n{file.read_text()}" in printed
    assert str(Path(sys.executable).with_name("clipmart")) in printed
    assert f"User={data.owner()}\n" in printed


def test_a_file_for_prometheus_elsewhere_can_be_written(here: Clipmart) -> None:
    """Its folder, and no other, is open to the units as well."""
    with (here.folder / ".env").open("a") as env:
        env.write("\nCLIPMART_METRICS=/var/lib/node_exporter/clipmart.prom\n")
    lines = re.findall("^ReadWritePaths=.*", here("schedule", "systemd").out, flags=re.M)
    assert len(lines) > 1
    assert all(line.endswith('/my data" "/var/lib/node_exporter"') for line in lines)


def test_deploy_holds_the_same() -> None:
    """The files in deploy/ are the printed ones of a checkout in /opt/clipmart."""
    opt = Path("/opt/clipmart")
    place = Place(opt / ".venv/bin/clipmart", opt, opt / "data", "clipmart")
    for name, text in {**systemd_units(place), "crontab": crontab(place)}.items():
        assert (ROOT / "deploy" / name).read_text() == text


def test_a_secret_that_only_this_shell_has_is_named(clipmart: Clipmart) -> None:
    """It would be missing at night; so would the data folder, which systemd cannot make."""
    said = clipmart("schedule", "systemd").err

    assert "KLIPIT_API_KEY is set in this shell only" in said
    assert "mkdir -p" in said and str(clipmart.data_dir) in said
    assert "klipit_sk_sandbox" not in said


@pytest.mark.parametrize("odd", ["it's", "a$b", "back\\slash", 'quo"ted'])
def test_a_folder_that_no_unit_can_name_is_refused(clipmart: Clipmart, odd: str) -> None:
    """3, before anything is written."""
    clipmart.folder /= odd
    clipmart.folder.mkdir()
    done = clipmart("schedule", "systemd", "--write", "units")
    assert done.code == 3 and "Rename that folder" in done.err
    assert not (clipmart.folder / "units").exists()


def test_a_folder_that_cannot_be_written_is_named(clipmart: Clipmart) -> None:
    """2, with what to do instead."""
    (clipmart.folder / "units").write_text("")
    done = clipmart("schedule", "systemd", "--write", "units/deeper")
    assert done.code == 2 and "copy them with sudo" in done.err


@pytest.mark.parametrize("odd", ["50%", "it's", 'quo"ted', "why?", "back\\slash", "a=b"])
def test_a_data_folder_in_which_dlt_cannot_write_is_refused(
    sandbox: Sandbox, clipmart: Clipmart, odd: str
) -> None:
    """3, before anything is requested, instead of a failure of dlt or DuckDB half-way."""
    clipmart("track", "klipit", "job_1")
    clipmart.environ["CLIPMART_DATA_DIR"] = str(clipmart.folder / odd)
    done = clipmart("sync")
    assert done.code == 3 and "set CLIPMART_DATA_DIR to another" in done.err
    assert not sandbox.asked("GET", "*")


def test_the_services_start_after_the_clock_is_set(here: Clipmart) -> None:
    """A sync by a clock that is not set yet would stamp its run, slots and rows wrong."""
    printed = here("schedule", "systemd").out
    for line in ("Wants=", "After="):
        assert printed.count(f"{line}network-online.target time-sync.target") == 2
