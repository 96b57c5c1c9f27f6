"""Memory at rest: daemon and router, with no app and with ten."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.bench.measure import Row, memory_mb
from tests.e2e.harness import Server


def measure(server: Server, folder: Path) -> list[Row]:
    daemon, router = _processes(server)
    empty = (memory_mb(daemon), memory_mb(router))
    for number in range(10):
        server.project(folder / f"app-{number}", f"bench-{number}").deploy()
    apps = (memory_mb(daemon), memory_mb(router))
    total = sum(apps)
    return [
        Row("daemon + router at rest, no app", f"{empty[0]:.0f} + {empty[1]:.0f} MB"),
        Row("daemon + router at rest, 10 apps", f"{apps[0]:.0f} + {apps[1]:.0f} MB", bar="110 MB", met=total <= 110),
        Row(
            "each further dyno, beside its own processes",
            f"{_overhead_mb(server):.2f} MB",
            bar="0.5 MB",
            met=_overhead_mb(server) <= 0.5,
        ),
    ]


def _processes(server: Server) -> tuple[int, int]:
    assert server.process is not None
    router = next(
        each.pid for each in psutil.process_iter(["cmdline"]) if "pushd.router" in (each.info["cmdline"] or [])
        and str(server.data) in " ".join(each.info["cmdline"])
    )  # fmt: skip
    return server.process.pid, router


def _overhead_mb(server: Server) -> float:
    """Shim and sandbox of one dyno: everything in its tree but the app's own processes."""
    shims = [each for each in psutil.process_iter(["name", "environ"]) if each.info["name"] in ("sh", "dash", "bwrap", "bash")
             and "DYNO" in (each.info["environ"] or {})]  # fmt: skip
    total = sum(each.memory_full_info().pss for each in shims) / 1e6
    return total / 10
