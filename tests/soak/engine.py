"""The soak: some apps, visitors, deeds, deaths; then a look at what is left of all that."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pushd.cli.drill.tidy import LEFTOVERS, found
from pushd.kit import procfs
from pushd.kit.procfs import Identity
from tests.e2e.harness import Server, eventually
from tests.e2e.tidy import Tidiness
from tests.soak.causes import Event, Failure, Kind, count_causes
from tests.soak.deeds import Deeds, SoakApp, listed, programs, staying
from tests.soak.growth import Growth, Sampler, growth, look, router_pid
from tests.soak.lines import Count, count_lines, last_numbers, segments
from tests.soak.visitors import Visitors

DRAIN_SECONDS = 30.0  # the setting's default
_CALM_SHARE = 0.35  # of the time, at its end: no deaths of daemon and router, so that growth can be seen
_WARM_UP_SECONDS = 30.0
_SHOWN, _NEAR_SECONDS = 20, 40.0
_GROWTH_MB = {"daemon": 12.0, "router": 3.0}  # a daemon reaches its size after some fifty deeds, and stays there
_GROWTH_DESCRIPTORS = 4
_PROOFS = (Kind.DAEMON_KILLED, Kind.DAEMON_RESTARTED, Kind.ROUTER_KILLED, Kind.CRASH)  # without each a soak shows nothing


@dataclass
class Findings:
    """What the soak counted, and what did not hold."""

    seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    reopened: int = 0
    failed: Counter[Kind] = field(default_factory=Counter)
    unexplained: list[Failure] = field(default_factory=list)
    done: Counter[Kind] = field(default_factory=Counter)
    interrupted: Counter[Kind] = field(default_factory=Counter)
    kept_pids: tuple[int, int] = (0, 0)  # processes that had to live on, and those that did
    took: tuple[float, float, float] = (0.0, 0.0, 0.0)  # median, p99 and longest, in seconds
    lines: Count = field(default_factory=Count)
    growth: dict[str, Growth] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # a sentence each

    def unproven(self) -> list[str]:
        """What did not happen, so that nothing was shown by it: a sentence each."""
        wanted = {
            "no request was answered": self.requests.total(),
            "no line was written": self.lines.lines,
            "no process had to outlive its daemon": self.kept_pids[0],
            **{f"nothing of this kind happened: {kind}": self.done[kind] for kind in _PROOFS},
            **{f"too few looks at the {name} to tell whether it grows": name in self.growth for name in _GROWTH_MB},
        }
        return [sentence for sentence, happened in wanted.items() if not happened]


class Soak:
    """One run on a server of its own. `run` takes `seconds` and what the looks before and after need."""

    def __init__(self, folder: Path, *, seconds: float, apps: int, seed: int) -> None:
        self.folder, self.seconds, self.seed = folder, seconds, seed
        self.server = Server(folder / "data", folder / "home", recorded=False)
        self.tidiness = Tidiness(self.server.data, self.server.processes)
        self.wanted_apps = apps
        self.events: list[Event] = []
        self.findings = Findings(seconds=seconds)
        self.apps: list[SoakApp] = []
        self._chance = random.Random(seed)

    def run(self) -> Findings:
        """Do it all. Everything that was started has ended afterwards."""
        self.server.start()
        try:
            self._deploy_apps()
            before = self._at_rest()
            with (
                Sampler(self.server.data) as sampler,
                Visitors(self.server.endpoints["router"], [app.name for app in self.apps]) as visitors,
                Deeds(self.server, self.apps, self.events, self._chance) as deeds,
            ):
                self._sampler = sampler
                self._let_die(deeds)
            self._count_requests(visitors)
            self.findings.done += deeds.done
            self.findings.interrupted = deeds.interrupted
            self.findings.broken += deeds.wrong
            self._look_at_growth(sampler)
            self._look_what_is_left(before)
            self._look_at_last_lines()
        finally:
            if self.server.process is not None:
                self.server.stop()
        self._look_at_lines(visitors)
        if left := [pid for pid in self.server.processes() if procfs.identify(pid)]:
            self.findings.broken.append(f"processes outlived the end of everything: {[_shown(pid) for pid in left]}")
        self.findings.broken += self.findings.unproven()
        return self.findings

    # -- before

    def _deploy_apps(self) -> None:
        for number in range(1, self.wanted_apps + 1):
            project = self.server.project(self.folder / f"app-{number}", f"soak-{number}", "soaked")
            project.ok("config:set", f"SOAK_DATA={self.server.data}")
            project.deploy()
            if number % 3 == 1:
                project.ok("ps:scale", "worker=1")
            self.apps.append(SoakApp(project))

    # -- meanwhile

    def _let_die(self, deeds: Deeds) -> None:
        """End daemon and router again and again, in each way at least once; then leave them alone for a while."""
        start = time.monotonic()
        calm_from = start + self.seconds * (1 - _CALM_SHARE)
        assert self.server.process is not None
        self._sampler.daemon_pid = self.server.process.pid
        deaths = (
            lambda: self._end_daemon(deeds, signal.SIGKILL, Kind.DAEMON_KILLED),
            lambda: self._end_daemon(deeds, signal.SIGTERM, Kind.DAEMON_RESTARTED),
            self._kill_router,
        )
        turn = 0
        while (left := calm_from - time.monotonic()) > 0 or turn < len(deaths):
            threading.Event().wait(min(self._chance.uniform(2, 8), max(left, 2)))
            deaths[turn % len(deaths)]()
            turn += 1
        self.calm_since = time.monotonic()
        threading.Event().wait(self.seconds * _CALM_SHARE)

    def _end_daemon(self, deeds: Deeds, how: signal.Signals, kind: Kind) -> None:
        """End it, between two deeds (the first time) or in the middle of one, and start the next one after a while."""
        between = not self.findings.kept_pids[0] or self._chance.random() < 0.5
        with deeds.turn if between else contextlib.nullcontext():
            living = staying(programs(self.server), listed(self.server, self.apps)) if between else set()
            began = deeds.down_since = time.monotonic()
            self._sampler.daemon_pid = None
            self.server.stop(how)
            threading.Event().wait(self._chance.uniform(0, 2))
            self.server.start()
            assert self.server.process is not None
            self._sampler.daemon_pid = self.server.process.pid
            if between:
                self._note_kept(living)
            eventually(lambda: not self.tidiness.pending(), what="an end of what was half done")
            deeds.events.append(Event(kind, began, time.monotonic()))
            deeds.down_since = None
        self.findings.done[kind] += 1

    def _note_kept(self, living: set[Identity]) -> None:
        kept = {who for who in living if procfs.is_alive(who)}
        counted = self.findings.kept_pids
        self.findings.kept_pids = (counted[0] + len(living), counted[1] + len(kept))

    def _kill_router(self) -> None:
        who = procfs.identify(router_pid(self.server.data) or 0)
        assert who is not None, "there is no router"
        began = time.monotonic()
        os.kill(who.pid, signal.SIGKILL)
        while procfs.is_alive(who):
            threading.Event().wait(0.001)
        self.events.append(Event(Kind.ROUTER_KILLED, began, time.monotonic()))
        self.findings.done[Kind.ROUTER_KILLED] += 1

    # -- afterwards

    def _count_requests(self, visitors: Visitors) -> None:
        findings = self.findings
        findings.requests = visitors.answers
        findings.failed, findings.unexplained = count_causes(visitors.failures, self.events, drain_seconds=DRAIN_SECONDS)
        reopened, closed = count_causes(visitors.reopened, self.events, drain_seconds=DRAIN_SECONDS)
        findings.reopened = reopened.total()
        findings.unexplained += closed
        shown = [self._told(each) for each in sorted(findings.unexplained, key=lambda each: each.began)]
        findings.broken += shown[:_SHOWN] + ([f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else [])
        took = sorted(seconds for _, seconds in visitors.took)
        if took:
            findings.took = (statistics.median(took), took[int(len(took) * 0.99)], took[-1])
        silent = [app.name for app in self.apps if not visitors.told[app.name]]
        findings.broken += [f"{name} never answered" for name in silent]
        wanted, kept = findings.kept_pids
        if kept < wanted:
            findings.broken.append(f"{wanted - kept} of {wanted} processes did not outlive their daemon")

    def _look_at_growth(self, sampler: Sampler) -> None:
        """Of the daemon's and the router's last lives, while nobody ended them; descriptors are compared at rest."""
        since = self.calm_since + min(_WARM_UP_SECONDS, self.seconds * _CALM_SHARE / 4)
        for name, samples in (("daemon", sampler.daemon), ("router", sampler.router)):
            grown = growth([each for each in samples if each.at >= since and each.pid == samples[-1].pid])
            if grown is None:  # `unproven` tells
                continue
            self.findings.growth[name] = grown
            if grown.mb > _GROWTH_MB[name]:
                self.findings.broken.append(f"the {name} grew by {grown.mb:.1f} MB in {grown.seconds:.0f} s")

    def _at_rest(self) -> dict[str, object]:
        """What there is when nothing happens: each web dyno once, no act half done. Comparable before and after."""
        for app in self.apps:
            app.project.ok("ps:scale", "web=1")
        wanted = self.tidiness.rows("SELECT sum(quantity) FROM formation")[0][0]
        eventually(lambda: not self.tidiness.pending(), what="an end of what is pending")
        eventually(lambda: len(list(programs(self.server))) == wanted, what=f"{wanted} processes of the apps")
        eventually(lambda: len(self.tidiness.entries("run/dynos")) == wanted, what="one folder for each dyno")
        eventually(lambda: len(self.tidiness.rows("SELECT 1 FROM dynos")) == wanted, what="one row for each dyno")
        assert self.server.process is not None
        router = router_pid(self.server.data)
        assert router is not None
        eventually(lambda: not self._visitors_connected(router), what="the end of the visitors' connections")
        daemon, routed = look(self.server.process.pid), look(router)
        return {
            "processes": Counter(_name(pid) for pid in self.server.processes()),
            "files in run": sorted(name for name in self.tidiness.entries("run") if not name.endswith(".log")),
            "descriptors of the daemon": daemon.descriptors if daemon else 0,
            "descriptors of the router": routed.descriptors if routed else 0,
        }

    def _look_what_is_left(self, before: dict[str, object]) -> None:
        try:
            after = self._at_rest()
        except AssertionError as error:
            self.findings.broken.append(
                f"not at rest afterwards: {error}; {self.tidiness.rows('SELECT name, type FROM dynos')}"
            )
            return
        for what, was in before.items():
            grown = after[what] - was > _GROWTH_DESCRIPTORS if isinstance(was, int) else after[what] != was
            if grown:
                self.findings.broken.append(f"{what}: before {was}, afterwards {after[what]}")
        for pattern in LEFTOVERS:
            if left := [str(path.relative_to(self.server.data)) for path in found(self.server.data, pattern)]:
                self.findings.broken.append(f"left over: {', '.join(sorted(left)[:10])}")
        if str(self.server.data) in Path("/proc/self/mounts").read_text():
            self.findings.broken.append("a mount was left over")
        if self.tidiness.rows("PRAGMA integrity_check") != [("ok",)] or self.tidiness.rows("PRAGMA foreign_key_check"):
            self.findings.broken.append("the store is damaged")

    def _look_at_lines(self, visitors: Visitors) -> None:
        """All that the apps wrote, from its first to its last line."""
        total = self.findings.lines
        for app in self.apps:
            found = count_lines((path.read_bytes() for path in segments(self._log(app))), visitors.told[app.name])
            total.lines += found.lines
            total.processes += found.processes
            total.missing += [f"{app.name} {each}" for each in found.missing]
            total.twice += [f"{app.name} {each}" for each in found.twice]
            total.disordered += [f"{app.name} {each}" for each in found.disordered]
        for what, which in (("lost", total.missing), ("there twice", total.twice), ("out of order", total.disordered)):
            if which:
                self.findings.broken.append(f"lines {what}: {len(which)}, such as {which[:10]}")

    def _look_at_last_lines(self) -> None:
        """What `pushd logs` shows last goes up to what is on the disk, without a gap."""
        for app in self.apps:
            shown = app.project.ok("logs", "-n", "1500", "--source", "app", "--json")
            texts = [json.loads(line)["message"].encode() + b"\n" for line in shown.splitlines()]
            on_disk = last_numbers(path.read_bytes() for path in segments(self._log(app)))
            numbers = last_numbers(texts)
            for token, number in numbers.items():
                first = min(int(text.split()[2]) for text in texts if text.startswith(f"line {token} ".encode()))
                found = count_lines([b"line %b 1 x\n" % token.encode(), *texts], {})
                gaps = [each for each in found.missing if each.startswith(token) and int(each.split()[1]) > first]
                if gaps or number > on_disk.get(token, 0):
                    self.findings.broken.append(f"`pushd logs` of {app.name} lacks {gaps[:10]} up to {token} {number}")

    # -- small questions

    def _told(self, failure: Failure) -> str:
        """The failure and what happened around it."""
        began, took = failure.began, failure.ended - failure.began
        its = [each for each in self.events if each.app in (None, failure.app) and abs(each.began - began) < _NEAR_SECONDS]
        near = ", ".join(f"{each.kind} {each.began - began:+.1f}..{each.ended - began:+.1f} s" for each in its)
        return f"failed without a cause: {failure.visitor} of {failure.app}, {took:.2f} s, {failure.what} (near: {near})"

    def _log(self, app: SoakApp) -> Path:
        return self.server.data / "logs" / app.id

    def _visitors_connected(self, router: int) -> int:
        """How many of the router's connections are those of visitors."""
        port = int(self.server.endpoints["router"].rpartition(":")[2])
        connections = psutil.Process(router).net_connections("tcp")
        return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in connections)


def _name(pid: int) -> str:
    """The kernel's name of a process, for counting."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "gone"


def _shown(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    return "gone"
