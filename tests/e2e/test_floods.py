"""An app that writes without pause: its neighbours and the API go on, and it may be bounded while it runs."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import Project, Server, eventually

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


_NUMBERS = """
import itertools, signal, sys, time
ended = False
def end(*_):
    global ended
    ended = True
signal.signal(signal.SIGTERM, end)
for thousand in itertools.count():
    sys.stdout.writelines(f"number {thousand * 1000 + n}\\n" for n in range(1000))
    sys.stdout.flush()
    time.sleep(0.01)
    if ended:
        sys.stdout.write("no number")
        sys.exit(0)
"""


def test_of_a_hundred_thousand_lines_a_second_none_is_lost_while_the_daemon_is_killed(
    own_server: Server, tmp_path: Path
) -> None:
    project = own_server.project(tmp_path / "numbers", "numbers")
    project.write("flood.py", _NUMBERS)
    project.write("Procfile", "web: python app.py\nflood: python flood.py\n")
    project.commit("numbers")
    project.deploy()
    project.ok("settings:set", "log-limit-mb=1000")
    project.ok("ps:scale", "flood=1")
    newest = _newest(project)
    for kills in range(3):
        eventually(lambda kills=kills: newest() > kills, what="more lines")  # type: ignore[misc]
        own_server.stop(signal.SIGKILL)
        own_server.start()
    project.ok("ps:scale", "flood=0")
    exited = "flood.1]: Process exited with status 0"  # said once all that it wrote is in the log
    eventually(lambda: exited in project.ok("logs", "--source", "heroku"), what="its last words")

    *numbers, last = _written(project)
    assert last == b"no number"
    assert numbers == [b"number %d" % n for n in range(len(numbers))]  # from zero on: it was started once


def _written(project: Project) -> list[bytes]:
    """All lines of the flood that are on the disk."""
    paths = _folder(project).glob("flood.1~*.log")
    return b"".join(path.read_bytes() for path in sorted(paths, key=lambda path: int(path.stem.split("~")[1]))).splitlines()


def _folder(project: Project) -> Path:
    _, app = project.server.call("GET", f"/apps/{project.app}")
    return project.server.data / "logs" / str(app["id"])


def _newest(project: Project) -> Callable[[], int]:
    """Tells the number of the newest segment of a flood: each is full after some MB."""
    folder = _folder(project)

    def newest() -> int:
        names = itertools.chain(folder.glob("flood.*.log"), folder.glob("flood.*.dropped"))
        return max((int(Path(name).stem.split("~")[1]) for name in names), default=0)

    return newest
