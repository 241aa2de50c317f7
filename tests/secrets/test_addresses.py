"""Where a key is sent: never to an address that a folder, and not its owner, names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.health import api_keys as keys
from pipelines.health import doctor
from pipelines.service import KLIPIT
from pipelines.settings import Account, Settings, load_settings
from sandbox import Sandbox
from sources.shared.errors import FixConfiguration
from tests.support.clipmart import Clipmart

KEY = "klipit_sk_sandbox"


def with_dotenv(clipmart: Clipmart, *names: str) -> None:
    """Move these variables into .env in the working folder."""
    lines = [f"{name}={clipmart.environ.pop(name)}\n" for name in names]
    (clipmart.folder / ".env").write_text("".join(lines))


def test_a_key_of_the_environment_is_not_sent_to_an_address_of_dotenv(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """The folder may come from someone else: 3, naming both variables, before any request."""
    with_dotenv(clipmart, "KLIPIT_BASE_URL")
    done = clipmart("sync")
    assert (done.code, sandbox.requests) == (3, [])
    assert "KLIPIT_BASE_URL" in done.err and "KLIPIT_API_KEY" in done.err and ".env" in done.err
    assert clipmart("doctor").code == 3 and sandbox.requests == []


def test_an_address_of_dotenv_is_used_with_a_key_from_there(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Both in .env, or the key in .dlt/secrets.toml; and an address of the environment always."""
    with_dotenv(landing_only, "KLIPIT_BASE_URL", "KLIPIT_API_KEY")
    assert landing_only("sync", "klipit").code == 0
    dotenv = landing_only.folder / ".env"
    dotenv.write_text(dotenv.read_text().splitlines()[0])
    (landing_only.folder / ".dlt").mkdir()
    (landing_only.folder / ".dlt/secrets.toml").write_text(f'[sources.klipit]\napi_key = "{KEY}"')
    assert landing_only("sync", "klipit").code == 0
    dotenv.write_text(f"KLIPIT_API_KEY={KEY}")
    landing_only.environ["KLIPIT_BASE_URL"] = sandbox.klipit_url
    assert landing_only("sync", "klipit").code == 0
    assert {request.status for request in sandbox.requests} == {200}


@pytest.mark.parametrize("host", ["api.example", "192.0.2.1", "127.0.0.1.example", "10.0.0.1"])
def test_plain_http_to_another_machine_is_refused(tmp_path: Path, host: str) -> None:
    """On its way anyone could read the key; this machine alone is an exception."""
    with pytest.raises(FixConfiguration, match="CLIPUS_BASE_URL is plain http"):
        load_settings({"CLIPUS_BASE_URL": f"http://{host}/api"}, tmp_path)
    assert load_settings({"CLIPUS_BASE_URL": f"https://{host}/api"}, tmp_path)
    for here in ("127.0.0.1:1", "[::1]:1", "localhost:1"):
        assert load_settings({"CLIPUS_BASE_URL": f"http://{here}/api"}, tmp_path)


def test_sync_and_doctor_name_a_host_that_is_not_the_vendors(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """One line each; doctor warns of one that is not on this machine."""
    host = sandbox.url.removeprefix("http://")
    assert f"klipit: requests go to {host}" in landing_only("sync", "klipit").err
    assert f"by {host}" in landing_only("doctor").out
    settings = Settings(Path(), {"klipit": Account(KEY, "https://api.example/v1")})
    assert settings.foreign_host("klipit") == "api.example"
    assert settings.foreign_host("clipus") is None
    assert keys.accepted(KLIPIT, settings).level == "warn"


def test_doctor_warns_of_a_dotenv_that_others_can_read(tmp_path: Path) -> None:
    """Its own user's alone is as it should be."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"KLIPIT_API_KEY={KEY}")
    dotenv.chmod(0o640)
    (check,) = doctor.secret_files(tmp_path)
    assert check.level == "warn" and f"chmod 600 {dotenv}" in check.remedy
    dotenv.chmod(0o600)
    assert not list(doctor.secret_files(tmp_path))
