"""Starts what a launch wants, puts it into traffic when it is ready, and stops what it replaces."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from uuid import UUID

from pushd.errors import Conflict, NotFound, Unavailable
from pushd.kit.aio import Nursery, finish
from pushd.kit.clock import Clock
from pushd.kit.crash import crash_point
from pushd.kit.steering import Calmed
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.model.dyno import Dyno, DynoState
from pushd.model.formation import RUN, WEB
from pushd.model.launch import Launch
from pushd.model.routing import Target, WebState
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.runner.adoption import Adoption
from pushd.runner.attached import AttachedLife
from pushd.runner.attachment import Attachment
from pushd.runner.dyno import Life
from pushd.runner.fleet import DISCARD_GRACE_SECONDS, Fleet
from pushd.runner.memory import MemoryWatch
from pushd.runner.needs import DynoStore, LaunchOf, LogPipes, OnReady, Say, Traffic
from pushd.runner.parts import Parts, RunLimits
from pushd.runner.plan import Boot, plan_formation, rest_wanted, web_wanted
from pushd.runner.ports import Ports
from pushd.runner.process import Adopted, Inside, Part, Processes
from pushd.runner.schedulers import Scheduler

log = logging.getLogger(__name__)
ATTACHED_GRACE_SECONDS = 2.0  # their clients have gone already
STOP_GRACE_SECONDS = 10.0  # for everything of an app at its destruction, and at Ctrl-C: somebody waits


class Runner:
    """Formation -> dynos. Boots of one app take turns (deploy's lock); no app's trouble reaches another.

    An async context manager with tasks of its own: who waits for a boot may be cancelled, and what watches the dynos goes on
    until `stop_all` has ended them, or until it is left: then they run on for the next daemon.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        pipes: LogPipes,
        traffic: Traffic,
        dynos: DynoStore,
        layout: Layout,
        clock: Clock,
        domain: str,
        limits: RunLimits,
        chance: random.Random | None = None,
    ) -> None:
        self._pipes = pipes
        self._traffic = traffic
        self._clock = clock
        self._nursery = Nursery("runner")
        self._limits = limits
        self._unclaimed: dict[str, Attachment] = {}  # by their secrets
        self._chance = chance = chance or random.Random()
        self._parts = Parts(domain=domain, limits=limits, chance=chance)
        cores = len(os.sched_getaffinity(0))
        self._processes = Processes(scheduler, pipes, dynos, Ports(chance), layout, clock, cores=cores)
        self._adoption = Adoption(
            scheduler, dynos, self._processes, pipes, fleet_of=self._fleet, part_of=self._parts.found, retire=self._retire
        )
        self._fleets: dict[UUID, Fleet] = {}
        self._memory = MemoryWatch(lambda: [life for fleet in self._fleets.values() for life in fleet.lives], clock)
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False

    async def __aenter__(self) -> Runner:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    # --- web: boot, switch, retire ------------------------------------------------------------------------------------

    async def boot_web(self, launch: Launch, say: Say) -> Sequence[Dyno]:
        """Start the web dynos that this epoch still misses, and return them when all are ready.

        Raises: BootFailed with the reason; the new ones are gone then, and their last output went to `say`.
        """
        fleet, wanted = self._fleet(launch), web_wanted(launch)
        fleet.wants_web = any(wanted.values())
        serving = [life.snapshot() for life in fleet.rotation if not life.leaving]
        names = [step.name for step in plan_formation(wanted, launch.epoch, serving) if isinstance(step, Boot)]
        if names:
            say(f"-----> Booting {', '.join(names)}")
        lives = await fleet.boot([self._parts.of_formation(launch, name, WEB) for name in names], say)
        return [life.snapshot() for life in lives]

    async def switch(self, launch: Launch, booted: Sequence[Dyno]) -> Sequence[Dyno]:
        """Send visitors to this epoch's web dynos; returns the old ones once the router has acknowledged it.

        Raises: BootFailed if one of `booted` has ended meanwhile; traffic stays then, and all of `booted` are gone.
        """
        fleet, wanted = self._fleet(launch), web_wanted(launch)
        names = {f"{kind}.{number}" for kind, count in wanted.items() for number in range(1, count + 1)}
        fresh = {dyno.id for dyno in booted}
        lives = [life for life in fleet.web if life.part.launch.epoch == launch.epoch and life.part.name in names]
        on_trial = [life for life in lives if life.id in fresh]
        try:
            await fleet.check(on_trial, _unheard)
            fleet.wants_web = bool(names)
            old = await fleet.take_over(lives)
        except BaseException:
            await finish(fleet.end(on_trial, grace_seconds=DISCARD_GRACE_SECONDS), within=2 * DISCARD_GRACE_SECONDS)
            raise
        return [life.snapshot() for life in old]

    def retire_soon(self, dynos: Sequence[Dyno]) -> None:
        """Stop these in the background, each once its visitors' requests have ended."""
        ids = {dyno.id for dyno in dynos}
        for fleet in {self._fleets[dyno.app_id] for dyno in dynos if dyno.app_id in self._fleets}:
            self._retire(fleet, [life for life in fleet.lives if life.id in ids])

    def keep_trying(self, launch: Launch, on_ready: OnReady) -> None:
        """Put this epoch's web dynos into rotation at once; they come back after crashes, and take traffic when ready.

        `on_ready(launch)` is awaited once all are. What was in rotation retires; called again for the same epoch, only what is
        missing is started.
        """
        fleet, wanted = self._fleet(launch), web_wanted(launch)
        fleet.wants_web = any(wanted.values())
        plan = list(plan_formation(wanted, launch.epoch, [life.snapshot() for life in fleet.web]))
        going = {step.dyno.id for step in plan if not isinstance(step, Boot)}
        rotation = [life for life in fleet.web if life.id not in going]
        rotation += [fleet.begin(self._parts.of_formation(launch, step.name, WEB)) for step in plan if isinstance(step, Boot)]
        self._retire(fleet, fleet.rise(rotation, lambda: on_ready(launch)))

    async def restart(self, launch: Launch, names: Sequence[str]) -> None:
        """Replace the dynos of these names by new ones of the same epoch; a one-off of such a name ends.

        Raises: BootFailed if a web dyno's replacement does not come up; the old ones serve on.
        """
        fleet = self._fleet(launch)
        chosen = [life for life in fleet.staying if life.part.name in names]
        for life in chosen:
            if life.part.one_off:
                life.stop()
        if web := {life.part.name for life in chosen if life.part.probe}:
            booted = await fleet.boot([self._parts.of_formation(launch, name, WEB) for name in sorted(web)], _unheard)
            staying = [life for life in fleet.rotation if life.part.name not in web]
            self._retire(fleet, await fleet.take_over([*staying, *booted]))
        if rest := [life for life in chosen if not life.part.probe and not life.part.one_off]:
            async with fleet.rest_turn:
                await fleet.end(rest)
                for life in rest:
                    fleet.begin(self._parts.of_formation(launch, life.part.name, life.part.type))

    # --- the other process types --------------------------------------------------------------------------------------

    def replace_rest_soon(self, launch: Launch) -> None:
        """In the background: stop what this launch does not want of the other types, then start what it misses."""
        fleet = self._fleet(launch)
        fleet.rest_launch = launch
        self._nursery.start(self._replace_rest(fleet), name=f"{launch.app.name} other process types")

    async def _replace_rest(self, fleet: Fleet) -> None:
        async with fleet.rest_turn:
            launch = fleet.rest_launch
            if launch is None:
                return
            rest = [life for life in fleet.lives if not life.part.probe and not life.part.one_off]
            staying = [life.snapshot() for life in rest if not life.leaving]
            plan = list(plan_formation(rest_wanted(launch), launch.epoch, staying))
            going = {step.dyno.id for step in plan if not isinstance(step, Boot)}
            # Those on their way out too: two clocks at once would do their work twice.
            await fleet.end([life for life in rest if life.leaving or life.id in going])
            if fleet.rest_launch is not launch:
                return  # a newer one waits for its turn, or the app is being stopped
            for step in plan:
                if isinstance(step, Boot):
                    fleet.begin(self._parts.of_formation(launch, step.name, step.name.rpartition(".")[0]))

    # --- one-off dynos ------------------------------------------------------------------------------------------------

    async def run_once(
        self,
        launch: Launch,
        command: str,
        *,
        type: str,
        name: str | None = None,
        environ: Environ | None = None,
        transcript: Transcript | None = None,
        timeout_seconds: float,
    ) -> int:
        """Run a command to its end and give its exit status; its output goes to the log, and to `transcript`.

        Raises: TimeoutError when it was ended at its limit, BootFailed when it could not be started.
        """
        fleet = self._fleet(launch)
        await fleet.end([life for life in fleet.lives if life.part.type == type and life.part.attended and life.leaving])
        copy = Calmed(transcript.write).write if transcript else None
        part = self._parts.one_off(
            launch, command, type, taken=fleet.names, name=name, environ=environ, time_limit_seconds=timeout_seconds, copy=copy
        )
        life = fleet.begin(replace(part, attended=True))
        try:
            await fleet.wait(life)
        except asyncio.CancelledError:
            await finish(fleet.end([life], grace_seconds=STOP_GRACE_SECONDS), within=2 * STOP_GRACE_SECONDS)
            raise
        if life.timed_out:
            raise TimeoutError(f"{life.part.name} was ended after {timeout_seconds:g} seconds")
        if life.exit_status is None:
            raise life.failure or Unavailable(f"{life.part.name} was not run", remedy="Try again.")
        return life.exit_status

    async def start_detached(self, launch: Launch, command: str, *, environ: Environ | None = None) -> Dyno:
        """Start a one-off dyno in the background; its output goes to the app's log. Raises: BootFailed if it cannot start."""
        fleet = self._fleet(launch)
        life = fleet.begin(self._parts.one_off(launch, command, RUN, taken=fleet.names, environ=environ))
        await fleet.until(lambda: life.state is not DynoState.STARTING)
        if life.process is None and life.failure is not None:
            raise life.failure
        return life.snapshot()

    def start_attached(
        self, launch: Launch, command: str, user: User, *, environ: Environ | None = None, size: TerminalSize | None = None
    ) -> tuple[Dyno, str]:
        """A one-off dyno that starts once somebody claims it with this secret; with a `size` it gets a terminal."""
        return self._attach(self._fleet(launch), launch, command, user, environ, size, None)

    def start_inside(
        self,
        app_id: UUID,
        name: str,
        command: str,
        user: User,
        *,
        environ: Environ | None = None,
        size: TerminalSize | None = None,
    ) -> tuple[Dyno, str]:
        """As `start_attached`, but where the dyno of this name runs, which it does not outlive. Raises: Conflict, NotFound."""
        fleet = self._fleets.get(app_id)
        found = [life for life in fleet.staying if life.part.name == name] if fleet else []
        if fleet is None or not found:
            raise NotFound("Couldn't find that dyno.", resource="dyno", remedy="`pushd ps` lists those that run.")
        if found[0].process is None or found[0].state is not DynoState.UP:
            raise Conflict(f"{name} does not run just now.", remedy="Wait until `pushd ps` shows it as up.")
        place = self._processes.inside(found[0].part, found[0].id, found[0].process)
        return self._attach(fleet, found[0].part.launch, command, user, environ, size, place)

    def _attach(
        self,
        fleet: Fleet,
        launch: Launch,
        command: str,
        user: User,
        environ: Environ | None,
        size: TerminalSize | None,
        inside: Inside | None,
    ) -> tuple[Dyno, str]:
        idle = self._limits.idle_seconds
        attachment = Attachment(size, self._clock, user=user, app_id=launch.app.id, idle_seconds=idle)
        part = self._parts.one_off(launch, command, RUN, taken=fleet.names, environ=environ)
        within = self._limits.attach_seconds
        life = fleet.begin(replace(part, attachment=attachment, attach_within_seconds=within, inside=inside, attended=True))
        self._unclaimed = {key: each for key, each in self._unclaimed.items() if not each.is_over}
        self._unclaimed[attachment.secret] = attachment
        return life.snapshot(), attachment.secret

    def maybe_claim(self, secret: str) -> Attachment | None:
        """The dyno that waits for this secret, for the one who asks first."""
        attachment = self._unclaimed.pop(secret, None)
        return None if attachment is None or attachment.is_over else attachment

    async def stop_dynos(self, app_id: UUID, names: Sequence[str]) -> None:
        """Tell one-off dynos to end; TERM, grace and KILL go on in the background, if need be in that of the next daemon."""
        if fleet := self._fleets.get(app_id):
            for life in [each for each in fleet.staying if each.part.one_off and each.part.name in names]:
                if life.process is not None:
                    await self._processes.note_leaving(life.process)
                    crash_point("dyno.leaving")
                life.stop()

    # --- everything ---------------------------------------------------------------------------------------------------

    def dynos(self, app_id: UUID) -> list[Dyno]:
        """What runs of this app, by name; dynos on their way out are not among them."""
        fleet = self._fleets.get(app_id)
        return fleet.snapshots() if fleet else []

    async def stop_app(self, app_id: UUID) -> None:
        """End every dyno of an app that is being destroyed; returns when nothing of it runs."""
        if fleet := self._fleets.get(app_id):
            await fleet.close(grace_seconds=STOP_GRACE_SECONDS)
            self._fleets.pop(app_id, None)

    async def stop_all(self) -> None:
        """End every dyno and start none any more; returns when nothing runs."""
        self._stopping = True
        await asyncio.gather(*(fleet.close(grace_seconds=STOP_GRACE_SECONDS) for fleet in list(self._fleets.values())))

    async def leave(self) -> None:
        """End attached dynos, whose clients lose us; watch nothing any more and touch no other: they run on."""
        self._stopping = True
        for fleet in self._fleets.values():
            await fleet.end([life for life in fleet.lives if life.part.attachment], grace_seconds=ATTACHED_GRACE_SECONDS)
        await self._nursery.close()

    # --- the dynos of an earlier daemon -------------------------------------------------------------------------------

    async def outdated(self) -> set[UUID]:
        """Apps with dynos of an earlier daemon that are another user than those started now would be."""
        return await self._adoption.outdated()

    async def adopt(self, running: Mapping[UUID, Launch], launch_of: LaunchOf) -> None:
        """Go on with what an earlier daemon left running, and end what nobody owns. Call it before any start.

        `running` has the launch of each app that should run. Visitors are served as before once `routes()` is in the router's
        table. Killed in here, the next daemon does it again.
        """
        await self._adoption.adopt(running, launch_of)

    def routes(self) -> Mapping[UUID, tuple[Sequence[Target], WebState]]:
        """Where each app's visitors are to be sent now, for a table that holds all apps."""
        return {app_id: fleet.announced() for app_id, fleet in self._fleets.items()}

    def serves_older(self, launch: Launch) -> bool:
        """Whether web dynos of another epoch have the app's traffic: they keep it until new ones are ready."""
        fleet = self._fleets.get(launch.app.id)
        return fleet is not None and any(life.part.launch.epoch != launch.epoch for life in fleet.rotation)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _fleet(self, launch: Launch) -> Fleet:
        """The app's fleet. Raises: Unavailable while the daemon stops."""
        if self._stopping:
            raise Unavailable("pushd is stopping", remedy="Try again when it runs.")
        if self._watching is None:
            self._watching = self._nursery.keep(self._memory.run, name="memory quotas")
        app_id = launch.app.id
        if app_id not in self._fleets:
            self._fleets[app_id] = Fleet(
                app_id, make_life=self._life, traffic=self._traffic, nursery=self._nursery, clock=self._clock
            )
        return self._fleets[app_id]

    def _life(self, part: Part, on_change: Callable[[Life], None], on_trial: bool, adopted: Adopted | None) -> Life:
        kind = AttachedLife if part.attachment else Life
        return kind(
            part,
            processes=self._processes,
            pipes=self._pipes,
            clock=self._clock,
            chance=self._chance,
            on_change=on_change,
            on_trial=on_trial,
            adopted=adopted,
        )

    def _retire(self, fleet: Fleet, lives: Sequence[Life]) -> None:
        for life in lives:
            life.leave()
            self._nursery.start(fleet.retire(life), name=f"retire {life.part.name}")


def _unheard(line: str) -> None:
    """Nobody listens to this boot; the app's log has the same lines."""
