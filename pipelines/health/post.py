"""A POST to an address that the operator gave: without keys, without redirects, soon abandoned."""

from __future__ import annotations

import asyncio
from typing import Any

from pipelines.settings import web_address
from sources.shared.clients import http_client
from sources.shared.errors import FixConfiguration, Unusable


def check_address(url: str, given_by: str) -> None:
    """Refuse an address that nothing could be posted to, before anything is requested.

    Args:
        given_by: the option or variable that it was read from, such as --notify.

    Raises:
        Unusable, FixConfiguration: the message leaves out the address, which may hold a secret.
    """
    if web_address(url) is None:
        error = Unusable if given_by.startswith("--") else FixConfiguration
        raise error(f"{given_by} takes an address such as https://HOST/PATH. Nothing was done.")


def post(url: str, seconds: float, **content: Any) -> str | None:
    """POST something; returns why it failed, in words that leave out the address.

    Args:
        seconds: after these it is abandoned.
        content: the body, as httpx names it: json or content.
    """
    try:
        return asyncio.run(_post(url, seconds, content))
    except TimeoutError:
        return f"was not answered within {seconds:g} s"
    except Exception as error:
        # No error here may change how the sync itself ends.
        return f"failed ({type(error).__name__})"


async def _post(url: str, seconds: float, content: dict[str, Any]) -> str | None:
    async with asyncio.timeout(seconds), http_client() as client:
        request = client.build_request("POST", url, **content)
        response = await client.send(request, stream=True, follow_redirects=False)
        await response.aclose()
    return None if response.is_success else f"was answered {response.status_code}"
