"""deploy/lake: what its files name exists. The containers themselves are not run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cli import main
from pipelines.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "lake"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())[
        "services"
    ]
    return services


def test_every_path_that_is_copied_is_there() -> None:
    """And of the checkout, the packages that are built into the wheel."""
    sources = [
        source
        for line in re.findall(r"^COPY (.+)$", CONTAINERFILE, flags=re.M)
        for source in line.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in sources), sources
    assert {"sources", "pipelines", "sandbox", "sql", "pyproject.toml"} <= set(sources)


def test_every_command_exists(services: dict[str, dict[str, Any]]) -> None:
    """The receiver's and the sync's, as the command line parses them."""
    receiver = services["receiver"]["command"]
    (loop,) = services["sync"]["command"]
    (sync,) = re.findall(r"clipmart ([a-z0-9 -]+?) &", loop)
    for words in (receiver, shlex.split(sync)):
        command = main.commands[words[0]]
        command.make_context(words[0], list(words[1:]))


def test_its_variables_make_settings(services: dict[str, dict[str, Any]]) -> None:
    """Filled in, they are a lake on S3 and a ledger in the same database."""
    names = re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), flags=re.M)
    filled = dict.fromkeys(names, "word")
    names_url = {"S3_URL": "http://s3:7070", "CLIPMART_NOTIFY": ""}
    filled |= names_url
    substituted = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda match: filled[match[1]], value)
        for name, value in services["sync"]["environment"].items()
    }
    settings = load_settings(filled | substituted)
    assert settings.lake is not None and settings.lake.on_s3
    assert settings.ledger_database == settings.lake.catalog
    assert settings.lake.s3_secret == filled["AWS_SECRET_ACCESS_KEY"]
    assert settings.klipit_webhook_secrets == ("word",)


def test_the_receiver_is_reached_from_this_machine_alone(
    services: dict[str, dict[str, Any]],
) -> None:
    """A proxy that speaks TLS belongs in front of it; the servers open one only where .env says."""
    assert services["receiver"]["ports"] == ["127.0.0.1:8787:8787"]
    others = [port for name in ("postgres", "s3") for port in services[name]["ports"]]
    assert all(port.startswith("${LISTEN_ON:-127.0.0.1}:") for port in others)
    assert not any("ports" in services[name] for name in ("sync", "bucket", "backup"))


def test_a_second_machine_runs_no_servers(services: dict[str, dict[str, Any]]) -> None:
    """Without the profile: receiver and sync alone, whose lake's hosts are variables."""
    anywhere = {name for name, service in services.items() if "profiles" not in service}
    assert anywhere == {"receiver", "sync"}
    for name in anywhere:
        assert not any(each["required"] for each in services[name]["depends_on"].values())
        environment = services[name]["environment"]
        assert "${DATABASE_HOST:-postgres}" in environment["CLIPMART_LAKE_CATALOG"]
        assert environment["AWS_ENDPOINT_URL"] == "${S3_URL:-http://s3:7070}"


def test_every_image_has_a_version_and_every_log_a_limit(
    services: dict[str, dict[str, Any]],
) -> None:
    """And the health of the receiver is checked."""
    for name, service in services.items():
        assert service["image"] == "clipmart" or re.search(r":v?\d+\.\d+", service["image"]), name
        assert name == "bucket" or "max-size" in service["logging"]["options"], name
    assert "/healthz" in services["receiver"]["healthcheck"]["test"][-1]


def test_the_page_names_every_variable_that_a_lake_reads() -> None:
    """docs/lake.md, by the settings' own words."""
    source = (ROOT / "pipelines" / "settings.py").read_text()
    read = set(re.findall(r'text\("((?:AWS|CLIPMART_LAKE)_\w+)"\)', source))
    page = (ROOT / "docs" / "lake.md").read_text()
    spared = {"AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"}
    assert read - spared <= set(re.findall(r"\b[A-Z_0-9]{6,}\b", page))
