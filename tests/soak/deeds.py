"""What is done to the apps meanwhile, as a user does it: pushes, config changes, restarts, scaling, rollbacks, and crashes."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pushd.kit import procfs
from pushd.kit.procfs import Identity
from tests.e2e.harness import Project, Result, Server, eventually
from tests.soak.causes import STOPS_DAEMON, Event, Kind

_HEALTHY_SECONDS = 65.0  # an app that crashes again within a minute has to wait, and its visitors get H10: as promised
_WEIGHTS = {Kind.PUSH: 4, Kind.CONFIG: 3, Kind.RESTART: 2, Kind.SCALE: 2, Kind.ROLLBACK: 1, Kind.CRASH: 3}
_FINISHED_LATER_SECONDS = 40.0  # within which the next daemon follows what was acknowledged
_PAUSE_SECONDS = 0.7


class SoakApp:
    """One app, and what it should answer."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.name = project.app
        self.pushes = 0
        self.rounds = 0
        self.last_crash = float("-inf")
        _, found = project.server.call("GET", f"/apps/{self.name}")
        self.id = str(found["id"])


class Deeds:
    """Does one thing after another in a thread of its own. What a daemon's death interrupts may fail; all else must succeed."""

    def __init__(self, server: Server, apps: list[SoakApp], events: list[Event], chance: random.Random) -> None:
        self.server, self.apps, self.events, self.chance = server, apps, events, chance
        self.done: Counter[Kind] = Counter()
        self.interrupted: Counter[Kind] = Counter()
        self.wrong: list[str] = []
        self.down_since: float | None = None  # when the daemon was told to end, until the next one is ready
        self.turn = threading.Lock()  # whoever holds it has the apps for itself
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="deeds")

    def __enter__(self) -> Deeds:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _go_on(self) -> None:
        first = self.chance.sample(list(_WEIGHTS), len(_WEIGHTS))  # each at least once
        while not self._stop.wait(_PAUSE_SECONDS):
            kind = first.pop() if first else self.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            app = self.chance.choice(self.apps)
            if kind is Kind.CRASH and time.monotonic() - app.last_crash < _HEALTHY_SECONDS:
                continue
            with self.turn:
                self._do(kind, app)

    def _do(self, kind: Kind, app: SoakApp) -> None:
        began = time.monotonic()
        try:
            problem = _DEEDS[kind](self, app)
        except Exception as error:  # whatever it is, it goes into the table
            problem = repr(error)
        ended = time.monotonic()
        if not problem:
            self.done[kind] += 1
        elif self._daemon_was_down(began, ended):
            self.interrupted[kind] += 1
            ended += _FINISHED_LATER_SECONDS
        else:
            self.wrong.append(f"{kind} of {app.name} at {began:.1f}, after {ended - began:.1f} s: {problem}")
        self.events.append(Event(kind, began, ended, app.name))

    def _daemon_was_down(self, began: float, ended: float) -> bool:
        if self.down_since is not None and self.down_since <= ended:
            return True
        return any(each.kind in STOPS_DAEMON and each.began <= ended and each.ended >= began for each in list(self.events))

    # -- each gives what went wrong, or nothing

    def push(self, app: SoakApp) -> str:
        app.pushes += 1
        lines = (app.project.folder / "app.py").read_text().splitlines()
        text = "\n".join(f'VERSION = "c{app.pushes}"' if line.startswith("VERSION") else line for line in lines)
        app.project.write("app.py", text + "\n")
        app.project.commit(f"commit {app.pushes}")
        return _told(app.project.push()) or self._look(app, f" c{app.pushes} ")

    def config(self, app: SoakApp) -> str:
        app.rounds += 1
        told = _told(app.project.pushd("config:set", f"ROUND={app.rounds}"))
        return told or self._look(app, f" {app.rounds}")

    def restart(self, app: SoakApp) -> str:
        return _told(app.project.pushd("restart")) or self._look(app, app.name)

    def scale(self, app: SoakApp) -> str:
        return _told(app.project.pushd("ps:scale", f"web={self.chance.choice((1, 2))}")) or self._look(app, app.name)

    def rollback(self, app: SoakApp) -> str:
        result = app.project.pushd("rollback")
        if "no earlier release" in result.output:
            return ""
        return _told(result) or self._look(app, app.name)

    def crash(self, app: SoakApp) -> str:
        """Kill one of its processes, as the kernel does when there is no memory."""
        living = [each.who for each in programs(self.server) if each.app_id == app.id and each.dyno.startswith("web.")]
        if not living:
            return "" if self._daemon_was_down(time.monotonic(), time.monotonic()) else "no process of the app"
        who, app.last_crash = self.chance.choice(living), time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(who.pid, signal.SIGKILL)
        eventually(lambda: not procfs.is_alive(who), what="the end of a killed process")
        return ""

    def _look(self, app: SoakApp, wanted: str) -> str:
        """Whether visitors see what was done, at once."""
        try:
            page = app.project.get()
        except (OSError, http.client.HTTPException):  # the router was killed; how visitors fare then is counted elsewhere
            page = app.project.get()
        return "" if page.status == 200 and wanted in page.body else f"{wanted!r} is not in {page.status} {page.body[:300]!r}"


_DEEDS: dict[Kind, Callable[[Deeds, SoakApp], str]] = {
    Kind.PUSH: Deeds.push, Kind.CONFIG: Deeds.config, Kind.RESTART: Deeds.restart, Kind.SCALE: Deeds.scale,
    Kind.ROLLBACK: Deeds.rollback, Kind.CRASH: Deeds.crash,
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A process of an app's own program."""

    app_id: str
    dyno: str  # "web.1"
    who: Identity


def staying(programs: Iterable[Program], dynos: Container[tuple[str, str]]) -> set[Identity]:
    """The youngest of each name that the app's list of `dynos` has, by the app's id.

    Others are on their way out and finish what they have begun: older ones of a name, and those that a scaling took away.
    """
    youngest: dict[tuple[str, str], Identity] = {}
    for each in programs:
        key = (each.app_id, each.dyno)
        if key in dynos:
            youngest[key] = max(youngest.get(key, each.who), each.who, key=lambda who: who.started)
    return set(youngest.values())


def listed(server: Server, apps: Iterable[SoakApp]) -> set[tuple[str, str]]:
    """What the daemon says that runs, and is to: the id of the app and the dyno's name."""
    found: set[tuple[str, str]] = set()
    for app in apps:
        _, dynos = server.call("GET", f"/apps/{app.name}/dynos")
        found |= {(app.id, dyno["name"]) for dyno in dynos}
    return found


def programs(server: Server) -> Iterator[Program]:
    """All that run now."""
    for pid in procfs.pids():
        with contextlib.suppress(OSError):
            if not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"python\0"):
                continue
            environ = dict(pair.partition(b"=")[::2] for pair in procfs.environ(pid))
            who = procfs.identify(pid)
            if who is not None and environ.get(b"SOAK_DATA") == str(server.data).encode():
                yield Program(environ[b"HEROKU_APP_ID"].decode(), environ[b"DYNO"].decode(), who)


def _told(result: Result) -> str:
    return "" if result.exit_code == 0 else f"exit {result.exit_code}: {result.output[-1500:]}"
