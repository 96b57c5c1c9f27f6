"""The API against an aiohttp handler that does nothing, with 50 apps and 1,000 releases; and many tails at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.measure import Row, free_port, median, seconds
from tests.e2e.harness import Server

APPS, RELEASES, ROUNDS = 50, 1000, 150
APP = "bench-api-07"
# What the Heroku CLI asks most. The listing of all apps is measured apart: its answer is fifty times as large.
MIX = (
    ("GET", "/account", None),
    ("GET", f"/apps/{APP}", None),
    ("GET", f"/apps/{APP}/config-vars", None),
    ("GET", f"/apps/{APP}/releases", "version ..; order=desc,max=15"),
    ("GET", f"/apps/{APP}/releases", "version ..; order=desc,max=1"),
    ("GET", f"/apps/{APP}/formation", None),
    ("GET", f"/apps/{APP}/dynos", None),
    ("GET", f"/apps/{APP}/domains", None),
)
_EMPTY = """
import sys
import uvloop
from aiohttp import web

async def nothing(request):
    return web.json_response({})

async def make():
    application = web.Application()
    application.router.add_get("/", nothing)
    return application

web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]), loop=uvloop.new_event_loop(), access_log=None, print=None)
"""


def measure(server: Server, folder: Path) -> list[Row]:
    _fill(server)
    ours, listing, empty, changes = [], [], [], []
    with _empty_handler() as port:
        plain = Caller("127.0.0.1", port, None)
        caller = Caller(*address(server), server.token)
        for round_number in range(ROUNDS):  # side by side: what disturbs the machine disturbs both
            ours += [caller.seconds(*request) for request in MIX]
            empty += [plain.seconds("GET", "/", None) for _ in MIX]
            if round_number % 5 == 0:
                listing.append(caller.seconds("GET", "/apps", None))
                changes.append(_change(caller, on=round_number % 10 == 0))
        caller.close()
        plain.close()
    slowest = _slowest(ours)
    p50, p99 = _ratio(ours, empty, 0.5), _ratio(ours, empty, 0.99)
    return [
        Row(
            f"API, median, {APPS} apps and {RELEASES:,} releases",
            f"{_at(ours, 0.5) * 1e3:.2f} ms (slowest: {slowest})",
            f"an empty aiohttp handler {_at(empty, 0.5) * 1e3:.2f} ms", p50, "3x", p50 <= 3,
        ),
        Row(
            "API, p99", f"{_at(ours, 0.99) * 1e3:.2f} ms", f"an empty aiohttp handler {_at(empty, 0.99) * 1e3:.2f} ms",
            p99, "5x", p99 <= 5,
        ),
        Row(f"API, list of all {APPS} apps, median", f"{statistics.median(listing) * 1e3:.2f} ms"),
        Row("API, a change with its two entries in the audit trail, median", f"{statistics.median(changes) * 1e3:.2f} ms",
            f"three transactions of SQLite {_transactions(folder, 3) * 1e3:.2f} ms"),
    ]  # fmt: skip


def _change(caller: Caller, *, on: bool) -> float:
    return seconds(lambda: caller.call("PATCH", f"/apps/{APP}", {"maintenance": on}))


def _transactions(folder: Path, count: int) -> float:
    """Median seconds of so many commits by hand of one row each, as durable as the store's."""
    with contextlib.closing(sqlite3.connect(folder / "by-hand.sqlite3", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE deeds (seq INTEGER PRIMARY KEY, what TEXT)")

        def commit() -> None:
            for _ in range(count):
                database.execute("INSERT INTO deeds (what) VALUES ('a row of ordinary length')")

        return median(lambda: seconds(commit), 30)


def _fill(server: Server) -> None:
    """50 apps with 20 releases each; nothing of them runs."""
    caller = Caller(*address(server), server.token)
    for number in range(APPS):
        name = f"bench-api-{number:02}"
        caller.call("POST", "/apps", {"name": name})
        for release in range(RELEASES // APPS - 1):  # the first was made with the app
            caller.call("PATCH", f"/apps/{name}/config-vars", {f"NAME_{release}": "a value of ordinary length"})
    caller.close()


class Caller:
    """One connection that is kept open, as a client library has it."""

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._headers = {"Accept": "application/vnd.heroku+json; version=3"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def seconds(self, method: str, path: str, wanted_range: str | None) -> float:
        """From the first byte of the request to the last of the answer."""
        headers = self._headers if wanted_range is None else {**self._headers, "Range": wanted_range}
        start = time.perf_counter()
        self._connection.request(method, path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        took = time.perf_counter() - start
        assert answer.status in (200, 206), (method, path, answer.status)
        return took

    def call(self, method: str, path: str, body: object) -> None:
        headers = {**self._headers, "Content-Type": "application/json"}
        self._connection.request(method, path, body=json.dumps(body), headers=headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _empty_handler() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _EMPTY, str(port)])
    try:
        while True:
            with contextlib.suppress(OSError):
                Caller("127.0.0.1", port, None).seconds("GET", "/", None)
                break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def address(server: Server) -> tuple[str, int]:
    url = urlsplit(server.api)
    return url.hostname or "localhost", url.port or 80


def _at(samples: list[float], share: float) -> float:
    return sorted(samples)[int(len(samples) * share)]


def _ratio(ours: list[float], empty: list[float], share: float) -> float:
    return _at(ours, share) / _at(empty, share)


def _slowest(samples: list[float]) -> str:
    """The request of the mix with the highest median, and that."""
    medians = {f"{path.rpartition('/')[2]} {wanted or ''}".strip(): statistics.median(samples[index :: len(MIX)])
               for index, (_, path, wanted) in enumerate(MIX)}  # fmt: skip
    name = max(medians, key=lambda each: medians[each])
    return f"{name}, {medians[name] * 1e3:.2f} ms"
