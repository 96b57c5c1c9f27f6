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
    total, dyno = sum(apps), _overhead_mb(server)
    return [
        Row("daemon + router at rest, no app", f"{empty[0]:.0f} + {empty[1]:.0f} MB"),
        Row("daemon + router at rest, 10 apps", f"{apps[0]:.0f} + {apps[1]:.0f} MB", bar="110 MB", met=total <= 110),
        Row("each further dyno, beside its own processes", f"{dyno:.2f} MB", bar="0.5 MB", met=dyno <= 0.5),
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
    dynos = str(server.data / "run" / "dynos")
    words = ((each, each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))
    shims = [each for each, argv in words if any(dynos in word for word in argv)]
    boxes = [child for shim in shims for child in shim.children(recursive=True) if child.name() == "bwrap"]
    unique = {each.pid: each for each in (*shims, *boxes)}
    return sum(each.memory_full_info().pss for each in unique.values()) / 1e6 / 10
