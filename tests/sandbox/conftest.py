"""A served sandbox at a fixed instant, and a plain HTTP client for each API."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from sandbox import Sandbox, running
from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY

# Loading certificates would take longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(Sandbox(seed=1, now="2026-04-08T12:00:00Z", minute_seconds=0)) as served:
        yield served


@pytest.fixture
def klipit(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KLIPIT_KEY}"}
    with httpx.Client(
        base_url=sandbox.klipit_url, headers=headers, timeout=5, verify=NO_TLS
    ) as client:
        yield client


@pytest.fixture
def clipus(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """As a fetch client does: the key in X-API-Key, a content type even without a body."""
    headers = {"x-api-key": CLIPUS_KEY, "content-type": "application/json"}
    with httpx.Client(
        base_url=sandbox.clipus_url, headers=headers, timeout=5, verify=NO_TLS
    ) as client:
        yield client
