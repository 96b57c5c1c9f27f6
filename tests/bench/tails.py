"""From an app's print to the screen: how long a line takes to one `logs -t`, and to 200 at once."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.measure import Row, memory_mb
from tests.e2e.harness import BIN, Server

TAILS, SECONDS, BAR_SECONDS = 200, 10.0, 0.2
_TICKS = """
import time
while True:
    print("tick", repr(time.time()), flush=True)
    time.sleep(0.1)
"""


def measure(server: Server, folder: Path) -> list[Row]:
    project = server.project(folder / "tails", "bench-tails")
    project.write("ticks.py", _TICKS)
    project.write("Procfile", "web: python app.py\nticks: python ticks.py\n")
    project.commit("ticks")
    project.deploy()
    project.ok("ps:scale", "ticks=1")
    one = _client_delays(server, project.app)
    many = asyncio.run(_stream_delays(server, project.app))
    assert server.process is not None
    return [
        _row("a line in `logs -t`, p99", one, 1),
        _row(f"the same in {TAILS} tails at once", many, TAILS),
        Row(f"daemon with {TAILS} tails", f"{memory_mb(server.process.pid):.0f} MB"),
    ]


def _row(what: str, delays: list[float], tails: int) -> Row:
    delays = sorted(delays)
    worst = delays[int(len(delays) * 0.99)]
    expected = tails * SECONDS * 10 * 0.8  # lines, were none lost
    return Row(
        what,
        f"{worst * 1e3:.0f} ms (median {delays[len(delays) // 2] * 1e3:.0f} ms, {len(delays):,} lines)",
        bar="200 ms",
        met=worst <= BAR_SECONDS and len(delays) >= expected,
    )


def _client_delays(server: Server, app: str) -> list[float]:
    argv = [str(BIN / "pushd"), "logs", "-t", "-n", "1", "--ps", "ticks", "-a", app]
    client = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=server.client_environ())
    assert client.stdout is not None
    delays: list[float] = []
    until = time.monotonic() + SECONDS
    for line in client.stdout:
        if " tick " in line:
            delays.append(time.time() - float(line.rpartition(" ")[2]))
        if time.monotonic() > until:
            break
    client.terminate()
    client.stdout.close()
    client.wait(30)
    return delays[1:]  # the first one was there before


async def _stream_delays(server: Server, app: str) -> list[float]:
    urls = []
    for _ in range(TAILS):
        _, session = server.call("POST", f"/apps/{app}/log-sessions", {"tail": True, "lines": 0, "dyno": "ticks"})
        urls.append(session["logplex_url"])
    delays: list[float] = []
    async with asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(_follow(url, delays))
    return delays


async def _follow(url: str, delays: list[float]) -> None:
    """Read one event stream by hand: a client library would cost more than what is measured."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
    try:
        async with asyncio.timeout(SECONDS):
            while line := await reader.readline():
                if b" tick " in line:
                    delays.append(time.time() - float(line.rpartition(b" ")[2]))
    except TimeoutError:
        pass
    finally:
        writer.close()
