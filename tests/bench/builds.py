"""How an app answers while another one is built by a build that wants the whole machine."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from tests.bench.measure import Row, flask_project
from tests.e2e.harness import Project, Server, read_until

_REQUESTS = 1000
_ROUNDS = 3
# As many busy processes as twice the processors, each now and then in a session of its own, and files without end; for so long.
_HEAVY = """#!/usr/bin/env python3
import os, subprocess, sys, time

BURN = "import time; end = time.monotonic() + 120\\nwhile time.monotonic() < end: sum(range(10000))"
WRITE = '''if 1:
    import os, time
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with open("/tmp/heavy", "wb") as file:
            for _ in range(64):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
'''
jobs = [subprocess.Popen([sys.executable, "-c", BURN], start_new_session=n % 2 == 0) for n in range(2 * os.cpu_count())]
jobs += [subprocess.Popen([sys.executable, "-c", WRITE]) for _ in range(2)]
print("all busy", flush=True)
for job in jobs:
    job.wait()
"""


def measure(server: Server, folder: Path) -> list[Row]:
    served = flask_project(server, folder / "served", "bench-served")
    served.deploy()
    heavy = server.project(folder / "heavy", "bench-heavy")
    heavy.write("bin/post_compile", _HEAVY)
    (heavy.folder / "bin" / "post_compile").chmod(0o755)
    heavy.commit("a build that wants it all")
    _latencies_ms(served)  # warm
    at_rest, busy = [], []
    for _ in range(_ROUNDS):
        at_rest.append(_latencies_ms(served))
        push = heavy.popen_push()
        read_until(push.stderr, "all busy")
        busy.append(_latencies_ms(served))
        server.ok("builds:cancel", "--app", heavy.app)
        push.communicate(timeout=60)
    return [_row("median", at_rest, busy, 0.5, bar=None), _row("p99", at_rest, busy, 0.99, bar=3.0)]


def _latencies_ms(project: Project) -> list[float]:
    """Of one visitor's requests, one after the other over one connection."""
    host, _, port = project.server.endpoints["router"].removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    took = []
    for _ in range(_REQUESTS):
        start = time.perf_counter()
        connection.request("GET", "/", headers={"Host": f"{project.app}.localhost"})
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - start) * 1000)
        assert answer.status == 200
    connection.close()
    return took


def _row(what: str, at_rest: list[list[float]], busy: list[list[float]], share: float, *, bar: float | None) -> Row:
    """The median of the rounds."""
    rest, under = (sorted(_share(each, share) for each in rounds)[_ROUNDS // 2] for rounds in (at_rest, busy))
    return Row(
        f"an app's answers during a heavy build, {what}",
        f"{under:.1f} ms",
        f"at rest {rest:.1f} ms",
        under / rest,
        f"{bar:g}x" if bar else "",
        under / rest <= bar if bar else None,
    )


def _share(took: list[float], share: float) -> float:
    return sorted(took)[int(len(took) * share)]
