"""An agent: the official SDK's client, over stdio or HTTP, called as from ordinary code."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, Resource, TextContent, TextResourceContents, Tool

from tests.support.clipmart import Clipmart
from tests.support.demo_run import clean_environment


class Agent:
    """A client that is connected."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal, self._client = portal, client

    def tools(self) -> list[Tool]:
        return self._portal.call(self._client.list_tools).tools

    def resources(self) -> list[Resource]:
        return self._portal.call(self._client.list_resources).resources

    def read(self, uri: str) -> str:
        (content,) = self._portal.call(self._client.read_resource, uri).contents
        assert isinstance(content, TextResourceContents)
        return content.text

    def result(self, tool: str, **arguments: Any) -> CallToolResult:
        result: CallToolResult = self._portal.call(self._client.call_tool, tool, arguments)
        return result

    def text(self, tool: str, **arguments: Any) -> str:
        """The answer of a call that succeeds."""
        result = self.result(tool, **arguments)
        assert not result.is_error, result
        return _text(result)

    def json(self, tool: str, **arguments: Any) -> Any:
        return json.loads(self.text(tool, **arguments))

    def error(self, tool: str, **arguments: Any) -> str:
        """The message of a call that fails."""
        result = self.result(tool, **arguments)
        assert result.is_error, result
        return _text(result)


def _text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@contextmanager
def over_stdio(clipmart: Clipmart) -> Iterator[Agent]:
    """A client that starts `clipmart mcp`, and ends it by closing its stdin."""
    started = StdioServerParameters(
        command=str(Path(sys.executable).with_name("clipmart")),
        args=["mcp"],
        env={**clean_environment(), **clipmart.environ},
        cwd=clipmart.folder,
    )
    with TemporaryFile("w") as log, start_blocking_portal() as portal:
        client = Client(stdio_client(started, errlog=log))
        with portal.wrap_async_context_manager(client):
            yield Agent(portal, client)


@contextmanager
def served(clipmart: Clipmart, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Where `clipmart mcp --http` answers, by default on a free port of this machine."""
    process = clipmart.start("mcp", "--http", address)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.communicate()


@contextmanager
def over_http(url: str, token: str | None = None) -> Iterator[Agent]:
    """A client of a server that runs."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    @asynccontextmanager
    async def connected() -> AsyncIterator[Client]:
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connected()) as client,
    ):
        yield Agent(portal, client)
