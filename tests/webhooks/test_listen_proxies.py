"""The proxies' configurations that docs/webhooks.md shows, run by the proxies themselves."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.listen_client import Listener, event, sign
from tests.support.programs import needs

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
TOKEN = "canary90dd"


def nginx(folder: Path, shown: str, port: int) -> list[str]:
    shown = shown.replace("/var/log/nginx", str(folder))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body;\n"
        f"server {{ listen 127.0.0.1:{port};\n{shown}}} }}\n"
    )
    return [needs("nginx"), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, shown: str, port: int) -> list[str]:
    shown = shown.replace("{\n", "{\n    admin off\n    auto_https off\n", 1)
    shown = shown.replace("hooks.example.com", f"http://127.0.0.1:{port}")
    (folder / "Caddyfile").write_text(shown)
    return [needs("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@contextmanager
def proxy(name: str, folder: Path, receiver: str) -> Iterator[str]:
    """The proxy before the receiver; all that it logs goes below the folder. Gives its address."""
    (shown,) = re.findall(rf"^```{name}\n(.*?)^```", PAGE, flags=re.M | re.S)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shown = shown.replace("127.0.0.1:8787", receiver)
    command = {"nginx": nginx, "caddy": caddy}[name](folder, shown, port)
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command, env={"HOME": str(folder)}, stdout=output, stderr=output, cwd=folder
        )
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_the_shown_proxy_passes_on_webhooks_alone(
    name: str, tmp_path: Path, shared_listener: Listener
) -> None:
    """Signed bodies arrive as they were, nothing else gets through, the token is in no log."""
    (tmp_path / name).mkdir()
    body = event(f"job_by_{name}", note="  spaces, ü  ")
    with proxy(name, tmp_path / name, shared_listener.url.removeprefix("http://")) as url:
        klipit = f"{url}/webhooks/klipit"
        signed = {"x-klipit-signature": sign(body)}
        assert httpx.post(klipit, content=body, headers=signed).status_code == 200
        assert httpx.post(klipit, content=body).status_code == 401
        clipus = httpx.post(f"{url}/webhooks/clipus?token={TOKEN}", json={})
        assert clipus.status_code == 200
        assert httpx.get(klipit).status_code in (403, 404)
        assert httpx.get(f"{url}/healthz").status_code == 404
        # Refused before it is read, so that the proxy may lose the answer with the connection.
        with suppress(httpx.RemoteProtocolError):
            assert httpx.post(klipit, content=b"x" * 70_000, headers=signed).is_error
    with proxy(name, tmp_path / name, "127.0.0.1:9") as url:
        assert httpx.post(f"{url}/webhooks/clipus?token={TOKEN}", json={}).status_code == 502

    assert (f"job_by_{name}",) in shared_listener.saved("subject")
    logs = b"".join(path.read_bytes() for path in (tmp_path / name).rglob("*.log"))
    assert TOKEN.encode() not in logs
