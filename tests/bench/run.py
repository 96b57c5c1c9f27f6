"""What an attached `echo hi` costs beside the same command in the sandbox alone."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from pushd.model.secret import Environ
from pushd.sandbox.sandbox import Sandbox
from pushd.sandbox.view import Kind, Limits, View
from tests.bench.measure import Row, median, seconds
from tests.e2e.harness import Server

COMMAND = "echo hi"
TIMES = 15


def measure(server: Server, folder: Path) -> list[Row]:
    server.project(folder / "bench-run", "bench-run").deploy()
    alone = asyncio.run(_alone(server.data / "run"))
    tls = ssl.create_default_context(cafile=str(server.data / "tls" / "ca.pem"))
    by_rendezvous = median(lambda: seconds(lambda: _rendezvous(_start(server), tls)), TIMES)
    by_websocket = median(lambda: seconds(lambda: asyncio.run(_websocket(server, _start(server)))), TIMES)
    told = f"sandbox alone {alone:.3f} s"
    return [
        Row("attached `echo hi`, rendezvous", f"{by_rendezvous:.3f} s", told, by_rendezvous / alone, "+ 0.3 s",
            by_rendezvous - alone <= 0.3),
        Row("attached `echo hi`, WebSocket", f"{by_websocket:.3f} s", told, by_websocket / alone, "+ 0.3 s",
            by_websocket - alone <= 0.3),
    ]  # fmt: skip


async def _alone(folder: Path) -> float:
    """Median seconds of the command in a dyno's sandbox, without a daemon."""
    sandbox = await Sandbox.probe(folder)
    taken = []
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            for part in ("slug", "scratch"):
                (Path(name) / part).mkdir()
            view = View(kind=Kind.DYNO, root=Path(name) / "slug", scratch=Path(name) / "scratch", environ=Environ(),
                        limits=Limits(scratch_bytes=1 << 20))  # fmt: skip
            begin = asyncio.get_running_loop().time()
            await sandbox.run(view, ["/bin/sh", "-c", COMMAND], on_output=lambda _: None, within=30)
            taken.append(asyncio.get_running_loop().time() - begin)
    return sorted(taken)[TIMES // 2]


def _start(server: Server) -> str:
    _, dyno = server.call("POST", "/apps/bench-run/dynos", {"command": COMMAND, "attach": True})
    return str(dyno["attach_url"])


def _rendezvous(url: str, tls: ssl.SSLContext) -> None:
    host, _, rest = url.removeprefix("rendezvous://").partition(":")
    port, _, line = rest.partition("/")
    with tls.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as client:
        client.sendall(f"{line}\r\n".encode())
        assert b"".join(iter(lambda: client.recv(65536), b"")) == b"rendezvous\r\nhi\n"


async def _websocket(server: Server, url: str) -> None:
    found: list[Any] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.api}/-/runs/{url.rpartition('/')[2]}") as client,
    ):
        found = [message.data async for message in client]
    assert found == ['{"state": "up"}', b"\x01hi\n", '{"exit": 0}']
