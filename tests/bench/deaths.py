"""How long visitors wait for a router that was killed, and the next daemon for 50 dynos that it finds."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

from pushd.kit import procfs
from tests.bench.measure import Row, seconds
from tests.e2e.harness import Project, Server
from tests.soak.growth import router_pid

_TIMES = 9
_APPS, _DYNOS_EACH = 5, 10


def measure(server: Server, folder: Path) -> list[Row]:
    project = server.project(folder / "routed", "bench-routed")
    project.deploy()
    router = _router(server, project)
    alone = _next_daemon(server)
    for number in range(_APPS):
        app = server.project(folder / f"many-{number}", f"bench-many-{number}")
        app.deploy()
        app.ok("ps:scale", f"web={_DYNOS_EACH}")
    before = _dynos(server)
    adopted = _next_daemon(server)
    kept, wanted = before & _dynos(server), _APPS * _DYNOS_EACH + 1
    return [
        router,
        Row(f"daemon killed: start of the next one until {wanted} dynos are adopted and the API answers", f"{adopted:.2f} s",
            f"one dyno {alone:.2f} s"),
        Row("dynos that kept their processes", f"{len(kept)} of {wanted}", bar="all", met=len(kept) == wanted),
    ]  # fmt: skip


def _router(server: Server, project: Project) -> Row:
    took = []
    for _ in range(_TIMES):
        who = procfs.identify(router_pid(server.data) or 0)
        assert who is not None
        os.kill(who.pid, signal.SIGKILL)
        while procfs.is_alive(who):
            time.sleep(0.0005)
        took.append(seconds(lambda: project.get()))
        time.sleep(1.5)  # one that dies at once is started more slowly
    middle, longest = statistics.median(took), max(took)
    return Row("router killed to the next answer", f"{middle:.2f} s (longest {longest:.2f} s)", bar="0.5 s", met=longest <= 0.5)


def _next_daemon(server: Server) -> float:
    """Median time from start to the ready line, after a kill: dynos are adopted by then."""
    took = []
    for _ in range(5):
        server.stop(signal.SIGKILL)
        took.append(seconds(server.start))
    return statistics.median(took)


def _dynos(server: Server) -> set[procfs.Identity]:
    """The apps' own processes."""
    found = (procfs.identify(pid) for pid in server.processes() if procfs.arguments(pid) == ["python", "app.py"])
    return {who for who in found if who is not None}
