"""Attached one-off dynos with the real daemon: over TLS as the Heroku CLI does it, and over our own WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.harness import PATIENCE_SECONDS, Project, Server, eventually

SUFFIX = ' ; echo "\uffff heroku-command-exit-status: $?"'
TERMINAL = {"TERM": "xterm", "COLUMNS": 100, "LINES": 30}


def start(project: Project, command: str, **body: Any) -> dict[str, Any]:
    """The dyno, which waits for its client."""
    wanted = {"command": command, "attach": True, **body}
    status, dyno = project.server.call("POST", f"/apps/{project.app}/dynos", wanted)
    assert status == 201, dyno
    return dict(dyno)


def come(server: Server, dyno: dict[str, Any]) -> ssl.SSLSocket:
    """A client of the rendezvous, after the greeting."""
    host, _, rest = dyno["attach_url"].removeprefix("rendezvous://").partition(":")
    port, _, line = rest.partition("/")
    tls = ssl.create_default_context(cafile=str(server.data / "tls" / "ca.pem"))
    client = tls.wrap_socket(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS), server_hostname=host)
    client.sendall(f"{line}\r\n".encode())
    assert client.recv(65536) == b"rendezvous\r\n"
    return client


def read_all(client: ssl.SSLSocket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def dynos(project: Project) -> dict[str, str]:
    return {row["name"]: row["state"] for row in project.server.call("GET", f"/apps/{project.app}/dynos")[1]}


def test_a_terminal_by_rendezvous(deployed: Project) -> None:
    dyno = start(deployed, f"stty size; read line; echo got $line; exit 3{SUFFIX}", env=TERMINAL)
    assert dynos(deployed)[dyno["name"]] == "starting"
    with come(deployed.server, dyno) as client:
        assert client.recv(65536) == b"30 100\r\n"
        assert dynos(deployed)[dyno["name"]] == "up"
        client.sendall(b"this\n")
        rest = read_all(client)

    assert rest == b"this\r\ngot this\r\n" + "\uffff heroku-command-exit-status: 3\n".encode()
    eventually(lambda: dyno["name"] not in dynos(deployed), what="the end of the dyno")
    lines = deployed.ok("logs", "-n", "200", "--dyno", dyno["name"])
    assert "State changed from up to complete" in lines
    assert "got this" not in lines
    assert dyno["attach_url"].rpartition("/")[2].partition("?")[0] not in lines + deployed.server.daemon_log()


def test_ten_megabytes_each_way(deployed: Project) -> None:
    data = os.urandom(10 << 20)

    async def talk(dyno: dict[str, Any]) -> tuple[bytes, str]:
        secret, found = dyno["attach_url"].rpartition("/")[2], bytearray()
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{deployed.server.api}/-/runs/{secret}", max_msg_size=0) as client,
        ):

            async def send() -> None:
                for begin in range(0, len(data), 1 << 19):
                    await client.send_bytes(data[begin : begin + (1 << 19)])
                await client.send_json({"end_of_input": True})

            sending, text = asyncio.create_task(send()), ""
            async for message in client:
                if isinstance(message.data, bytes):
                    found += message.data[1:]
                else:
                    text = message.data
            await sending
        return bytes(found), text

    assert asyncio.run(talk(start(deployed, "cat; exit 5"))) == (data, json.dumps({"exit": 5}))


def test_a_client_that_vanishes_takes_its_dyno_along(deployed: Project) -> None:
    dyno = start(deployed, "sleep 600 & sleep 601", env=TERMINAL)
    come(deployed.server, dyno).close()

    eventually(lambda: dyno["name"] not in dynos(deployed), what="the end of the dyno")
    assert "Client connection closed. Sending SIGHUP" in deployed.ok("logs", "-n", "200", "--dyno", dyno["name"])


def test_inside_a_dyno(deployed: Project) -> None:
    wanted = {"command": f'echo "$DYNO"; ls; exit 6{SUFFIX}'}
    status, dyno = deployed.server.call("POST", f"/apps/{deployed.app}/dynos/web.1", wanted)
    assert status == 201
    with come(deployed.server, dyno) as client:
        output = read_all(client).decode()

    assert output.startswith("web.1\n")
    assert "app.py\n" in output
    assert output.endswith("\uffff heroku-command-exit-status: 6\n")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_neither_the_daemons_end_nor_its_death_leaves_a_run_behind(
    own_server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    project = own_server.project(tmp_path / "app", "app")
    project.deploy()
    client = come(own_server, start(project, "trap '' HUP; sleep 654", env=TERMINAL))
    eventually(lambda: _sleeping(own_server), what="the program")

    own_server.stop(how)
    client.close()
    if how is not signal.SIGKILL:
        assert not _sleeping(own_server)
    own_server.start()  # ends what the last one left; this one's end leaves nothing at all

    assert not _sleeping(own_server)


def _sleeping(server: Server) -> list[int]:
    found = []
    for pid in server.processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += [pid] if b"sleep\x00654" in file.read() else []
        except OSError:
            continue
    return found
