"""An app that writes without pause: its neighbours and the API go on, and it may be bounded while it runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import Project, eventually

_FLOOD = """
import itertools, sys
for number in itertools.count():
    sys.stdout.write(f"flood {number}\\n")
"""


def test_a_flood_keeps_no_neighbour_and_no_command_waiting(deployed: Project, another: Callable[[str], Project]) -> None:
    flooding = another("tiny")
    flooding.write("flood.py", _FLOOD)
    flooding.write("Procfile", "web: python app.py\nflood: python flood.py\n")
    flooding.commit("flood")
    flooding.deploy()
    flooding.ok("ps:scale", "flood=2")
    newest = _newest(flooding)
    eventually(lambda: newest() > 0, what="the flood")

    before = newest()
    for number in range(10):
        status, found = deployed.server.call("GET", f"/apps/{deployed.app}")
        assert (status, found["name"]) == (200, deployed.app)
        assert deployed.get(f"/log/heard-{number}").status == 200
        eventually(lambda number=number: f"heard-{number}" in deployed.ok("logs", "--ps", "web"), what="a quiet app's line")  # type: ignore[misc]
    assert newest() > before  # it flooded all the while

    flooding.ok("settings:set", "log-lines-per-second=100")
    eventually(lambda: "Error L12 (Local buffer overflow)" in flooding.ok("logs", "--source", "heroku"), what="L12")
    flooding.ok("ps:scale", "flood=0")


def _newest(project: Project) -> Callable[[], int]:
    """Tells the number of the newest segment of a flood: each is full after some MB."""
    _, app = project.server.call("GET", f"/apps/{project.app}")
    folder = project.server.data / "logs" / app["id"]

    def newest() -> int:
        names = itertools.chain(folder.glob("flood.*.log"), folder.glob("flood.*.dropped"))
        return max((int(Path(name).stem.split("~")[1]) for name in names), default=0)

    return newest
