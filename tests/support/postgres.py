"""A private PostgreSQL server on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import needs


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server, without a database's name."""
    initdb, server = needs("initdb"), needs("postgres")
    # It refuses to run as root, and pytest's own folders are closed to others.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="clipmart-postgres-"))
    if user:
        shutil.chown(folder, user)
    port = free_port()
    subprocess.run(
        [initdb, "-D", folder / "db", "-U", "clipmart", "-A", "trust", "--no-sync", "-E", "UTF8"],
        user=user,
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    options = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": folder}
    running = subprocess.Popen(
        [server, "-D", str(folder / "db"), "-p", str(port)]
        + [word for name, value in options.items() for word in ("-c", f"{name}={value}")],
        user=user,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, running)
        yield f"postgresql://clipmart@127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGINT)  # not waiting for those who are still connected
        running.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def new_database(postgres: str, like: str = "template1") -> str:
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return f"{postgres}/{name}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(f"postgresql://clipmart@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL did not start"
            time.sleep(0.05)
    raise AssertionError("PostgreSQL did not start within 10 s")
