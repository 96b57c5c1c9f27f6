"""Log lines through pipe and disk, counted at the end: one app, 200, a reader that is killed; and what a flood costs others."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psutil

from pushd.layout import Layout
from tests.bench.api import Caller, address
from tests.bench.measure import Row
from tests.e2e.harness import Project, Server

LINES = 1_000_000
APPS, APP_RATE, SECONDS = 200, 500, 20
KILLS, KILLED_RATE = 10, 100_000
TAILED_RATE, TAILED_SECONDS = 100_000, 10
CALLS = 1500
_TEXT = " of a flood, about as long as a line of an access log: some more text, and more\n"
_FLOOD = f"""
import sys, time
start = time.time()
for number in range({LINES}):
    sys.stdout.write(f"line {{number:07}}{_TEXT[:-1]}\\n")
sys.stdout.flush()
print("took", time.time() - start)
"""
_PACED = f"""
import sys, time
start = time.time()
for hundredth in range(100 * {TAILED_SECONDS}):
    for _ in range({TAILED_RATE // 100}):
        sys.stdout.write({_TEXT!r})
    sys.stdout.flush()
    time.sleep(max(0.0, start + hundredth / 100 - time.time()))
print("took", time.time() - start)
"""
_ENDLESS = f"""
import sys
while True:
    sys.stdout.write({_TEXT!r})
"""
# Writes so many lines a second into each of its FIFOs, a tenth of them every 100 ms; it waits where a pipe is full.
_WRITER = f"""
import sys, time
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
fifos = [open(path, "wb", buffering=0) for path in sys.argv[3:]]
start = time.time()
for tenth in range(10 * seconds):
    data = b"".join(b"line %07d" % n + {_TEXT.encode()!r} for n in range(tenth * rate // 10, (tenth + 1) * rate // 10))
    for fifo in fifos:
        view = memoryview(data)
        while view:
            view = view[fifo.write(view):]
    time.sleep(max(0.0, start + tenth / 10 - time.time()))
"""
# The logplex as the daemon runs it, alone in a process, until its input ends.
_READER = """
import asyncio, sys
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID
import uvloop
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex

async def main(data, *fifos) -> None:
    async with Logplex(Layout(Path(data)), SystemClock(), limit_bytes=1 << 30) as logplex:
        pipes = [logplex.open(UUID(int=number), "web.1", UUID(int=number), Path(fifo)) for number, fifo in enumerate(fifos, 1)]
        print("reading", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for pipe in pipes:
            await pipe.finish()

uvloop.run(main(*sys.argv[1:]))
"""


def measure(server: Server, folder: Path) -> list[Row]:
    return [
        *_one_app(server, folder / "logs"),
        _many_apps(folder / "many"),
        _killed(folder / "killed"),
        _tail_of_a_flood(server, folder / "tailed"),
        *_api_beside_a_flood(server, folder / "beside"),
    ]


def _one_app(server: Server, folder: Path) -> list[Row]:
    project = server.project(folder, "bench-logs")
    project.write("flood.py", _FLOOD)
    project.write("Procfile", "web: python app.py\nflood: python flood.py\n")
    project.commit("flood")
    project.ok("settings:set", "log-limit-mb=1000")
    project.deploy()
    start = time.perf_counter()
    project.ok("run:detached", "flood")
    took_line = ""
    while not took_line:
        logs = project.ok("logs", "-n", "5", "--ps", "run")
        took_line = next((line for line in logs.splitlines() if " took " in line), "")
    elapsed = time.perf_counter() - start
    took = float(took_line.rpartition(" ")[2])
    _, app = server.call("GET", f"/apps/{project.app}")
    kept = sum(path.read_bytes().count(b" of a flood") for path in (server.data / "logs" / app["id"]).glob("run.*.log"))
    rate = LINES / took
    return [
        Row(
            "log lines/s from one app",
            f"{rate:,.0f}/s, until readable {LINES / elapsed:,.0f}/s",
            bar="100,000/s",
            met=rate >= 100_000,
        ),
        Row(f"lines lost of {LINES:,}", f"{LINES - kept}", bar="0", met=kept == LINES),
    ]


def _many_apps(folder: Path) -> Row:
    with _Reading(folder, fifos=APPS) as reading:
        writers = [_writer(APP_RATE, reading.fifos[start::8]) for start in range(8)]
        start, before = time.perf_counter(), reading.cpu_seconds()
        for writer in writers:
            writer.wait()
        seconds, used = time.perf_counter() - start, reading.cpu_seconds() - before
    lost = sum(reading.lost(app, APP_RATE * SECONDS) for app in range(1, APPS + 1))
    return Row(
        f"lines lost, {APPS} apps with {APP_RATE} lines/s each for {SECONDS} s",
        f"{lost} of {APPS * APP_RATE * SECONDS:,}; {used / seconds:.0%} of a core",
        bar="0",
        met=lost == 0,
    )


def _killed(folder: Path) -> Row:
    with _Reading(folder, fifos=1) as reading:
        start = time.perf_counter()
        writer = _writer(KILLED_RATE, reading.fifos)
        for _ in range(KILLS):
            time.sleep(SECONDS / (KILLS + 1))
            reading.kill_and_start_again()
        writer.wait()
        seconds = time.perf_counter() - start
    lines = KILLED_RATE * SECONDS
    lost = reading.lost(1, lines)
    return Row(
        f"lines lost, one app with {KILLED_RATE:,} lines/s, reader killed -9 {KILLS} times",
        f"{lost} of {lines:,}, {lines / seconds:,.0f}/s with all waits",
        bar="0",
        met=lost == 0,
    )


def _tail_of_a_flood(server: Server, folder: Path) -> Row:
    project = server.project(folder, "bench-tailed")
    project.write("flood.py", _PACED)
    project.write("Procfile", "web: python app.py\nflood: python flood.py\n")
    project.commit("flood")
    project.deploy()
    _, session = server.call("POST", f"/apps/{project.app}/log-sessions", {"tail": True, "lines": 0, "dyno": "run"})
    url = urlsplit(session["logplex_url"])
    connection = http.client.HTTPConnection(url.hostname or "localhost", url.port, timeout=60)
    connection.request("GET", url.path)
    answer = connection.getresponse()
    assert server.process is not None
    daemon = psutil.Process(server.process.pid)
    before = _cpu_seconds(daemon)
    project.ok("run:detached", "flood")
    start = time.perf_counter()
    text = bytearray()
    while b"]: took " not in text[-4000:]:
        text += answer.read1(1 << 20)
    seconds, used = time.perf_counter() - start, _cpu_seconds(daemon) - before
    connection.close()
    missed = TAILED_RATE * TAILED_SECONDS - text.count(_TEXT[:-1].encode())
    return Row(
        f"a tail of an app with {TAILED_RATE:,} lines/s for {TAILED_SECONDS} s",
        f"{missed} missed, at its end after {seconds:.1f} s; {used / seconds:.0%} of a core",
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _api_beside_a_flood(server: Server, folder: Path) -> list[Row]:
    quiet, flooding = server.project(folder / "quiet", "bench-quiet"), server.project(folder / "flood", "bench-flood")
    flooding.write("flood.py", _ENDLESS)
    flooding.write("Procfile", "web: python app.py\nflood: python flood.py\n")
    flooding.commit("flood")
    for project in (quiet, flooding):
        project.deploy()
    alone = _calls(server, quiet)
    flooding.ok("ps:scale", "flood=1")
    beside_one = _calls(server, quiet)
    flooding.ok("ps:scale", "flood=8")
    beside_many = _calls(server, quiet)
    flooding.ok("ps:scale", "flood=0")
    at_rest = f"{_p99(alone) * 1e3:.2f} ms at rest"
    return [
        Row(f"GET /apps/x, p99, while {what}", f"{_p99(found) * 1e3:.2f} ms", at_rest, _p99(found) / _p99(alone))
        for what, found in (("an app floods its log", beside_one), ("8 dynos of it do", beside_many))
    ]


def _calls(server: Server, project: Project) -> list[float]:
    caller = Caller(*address(server), server.token)
    found = [caller.seconds("GET", f"/apps/{project.app}", None) for _ in range(CALLS)]
    caller.close()
    return found


def _p99(samples: Sequence[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99)]


def _writer(rate: int, fifos: Sequence[Path]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(rate), str(SECONDS), *map(str, fifos)])


class _Reading:
    """FIFOs that are held open, as by the shim of a dyno, and a process that reads them into logs."""

    def __init__(self, folder: Path, *, fifos: int) -> None:
        folder.mkdir()
        self.fifos = [folder / f"fifo-{number}" for number in range(fifos)]
        self._layout = Layout(folder / "data")
        self._held = contextlib.ExitStack()

    def __enter__(self) -> _Reading:
        for path in self.fifos:
            os.mkfifo(path)
            self._held.enter_context(_held_open(path))
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()
        self._held.close()

    def _start(self) -> None:
        argv = [sys.executable, "-c", _READER, str(self._layout.data), *map(str, self.fifos)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"reading\n"

    def kill_and_start_again(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._start()

    def cpu_seconds(self) -> float:
        return _cpu_seconds(psutil.Process(self._process.pid))

    def lost(self, app: int, lines: int) -> int:
        """How many of these lines an app's log lacks; one that came twice or in another order counts too."""
        paths = self._layout.logs(UUID(int=app)).glob("web.1~*.log")
        data = b"".join(path.read_bytes() for path in sorted(paths, key=lambda path: int(path.stem.split("~")[1])))
        wanted = [b"line %07d" % number + _TEXT[:-1].encode() for number in range(lines)]
        found = data.splitlines()
        if found == wanted:
            return 0
        return max(len(set(wanted) - set(found)), len(found) - len(set(found)), 1)


@contextlib.contextmanager
def _held_open(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)
    try:
        yield
    finally:
        os.close(descriptor)
