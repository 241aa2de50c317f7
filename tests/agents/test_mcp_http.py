"""`clipmart mcp --http`: this machine alone, unless a token says otherwise."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.agents.conftest import TOKEN
from tests.support.agent import over_http, served
from tests.support.clipmart import Clipmart

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def status(url: str, **headers: str) -> int:
    with httpx.Client(trust_env=False) as client:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(url, json=CALL, headers=ACCEPT | given).status_code


@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}"])
def test_another_token_is_refused(url: str, given: str) -> None:
    """401; with the right one the same request is answered."""
    assert status(url, Authorization=given) == 401
    assert status(url, Authorization=f"Bearer {TOKEN}") == 200


def test_a_page_of_another_origin_is_refused(demo: Clipmart) -> None:
    """By the name it made point here, and by its origin; without a token, too."""
    with served(demo) as url:
        assert status(url) == 200
        assert status(url, Host="localhost:8765", Origin="http://localhost:6274") == 200
        for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", "[x", ""):
            assert status(url, Host=host) == 421, host
        for origin in ("http://evil.example", "null", "https://127.0.0.1.evil.example"):
            assert status(url, Origin=origin) == 403, origin
        with over_http(url) as agent:
            assert len(agent.json("list_reports")) == 17


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8765", "example.com:80"])
def test_beyond_this_machine_a_token_is_required(demo: Clipmart, address: str) -> None:
    """Exit 3, naming the variable, before anything listens; a short one is refused too."""
    for token in ("", "short"):
        environ = demo.environ | {"CLIPMART_MCP_TOKEN": token}
        ended = Clipmart(demo.folder, environ)("mcp", "--http", address)
        assert (ended.code, ended.out) == (3, "") and "CLIPMART_MCP_TOKEN" in ended.err
        assert "Nothing was started" in ended.err


def test_with_a_token_it_serves_other_machines(demo: Clipmart) -> None:
    """By whatever name a proxy calls it, but no page of any origin."""
    environ = demo.environ | {"CLIPMART_MCP_TOKEN": TOKEN}
    with served(Clipmart(demo.folder, environ), "0.0.0.0:0") as listening:
        url = listening.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - what it listens on
        bearer = f"Bearer {TOKEN}"
        assert status(url, Host="clips.example.com") == 401
        assert status(url, Host="clips.example.com", Authorization=bearer) == 200
        assert status(url, Origin="http://localhost", Authorization=bearer) == 403


@pytest.mark.parametrize("address", ["here", "127.0.0.1:", "127.0.0.1:99999", "a@b:1", "::1:80:x"])
def test_another_address_is_not_understood(demo: Clipmart, address: str) -> None:
    """Exit 2, with an example."""
    ended = demo("mcp", "--http", address)
    assert ended.code == 2 and "such as 127.0.0.1:8765" in ended.err


def test_a_port_in_use_is_named(demo: Clipmart) -> None:
    """Exit 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = demo("mcp", "--http", str(port))
    assert ended.code == 3 and f"127.0.0.1 port {port}" in ended.err
