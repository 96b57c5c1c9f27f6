"""Log lines per second from one app, through pipe and disk, counted at the end without loss."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.measure import Row
from tests.e2e.harness import Server

LINES = 1_000_000
_FLOOD = f"""
import sys, time
start = time.time()
for number in range({LINES}):
    sys.stdout.write(f"line {{number:07}} of a flood, about as long as a line of an access log: some more text, and more\\n")
sys.stdout.flush()
print("took", time.time() - start)
"""


def measure(server: Server, folder: Path) -> list[Row]:
    project = server.project(folder / "logs", "bench-logs")
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
