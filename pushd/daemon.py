"""Builds every part, starts them in order and stops them in the opposite order; the only module that knows every class."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import uvloop

from pushd import __version__
from pushd.access.access import Access
from pushd.api.certificate import Certificate
from pushd.api.needs import Site
from pushd.api.server import ApiServer, make_application
from pushd.apps import Apps
from pushd.builder.builder import Builder
from pushd.builder.tools import Tools
from pushd.changes import Changes
from pushd.deploy import Deploys
from pushd.disk import DiskReserve
from pushd.endpoints import Endpoints, named, web_url
from pushd.errors import CannotListen, PushdError
from pushd.golive import GoLive
from pushd.kit import sdnotify
from pushd.kit.aio import Nursery
from pushd.kit.atomic import write_atomically
from pushd.kit.clock import Clock, SystemClock
from pushd.kit.door import Door, door_of, open_door
from pushd.kit.fetch import Pages
from pushd.kit.listen import inherited_sockets
from pushd.kit.logfmt import LogfmtFormatter
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from pushd.model.logline import PLATFORM
from pushd.outputs import Outputs
from pushd.receiver.hooks import HookServer
from pushd.receiver.http import add_routes
from pushd.receiver.receiver import Receiver
from pushd.receiver.repositories import Repositories
from pushd.releaser.phase import ReleasePhase
from pushd.releaser.releaser import Releaser
from pushd.resume import Resume
from pushd.retention import Retention
from pushd.router.control import Router
from pushd.runner.runner import Runner
from pushd.runner.schedulers.local import LocalScheduler
from pushd.sandbox.sandbox import Sandbox
from pushd.settings import SETTINGS, Effective, Settings, build_passthrough
from pushd.shipped import shipped
from pushd.store.store import Store
from pushd.store.users import new_token
from pushd.turns import BootTurns
from pushd.verdicts import Verdicts
from pushd.visitors import Visitors

log = logging.getLogger(__name__)


_TOKEN = re.compile(r"[!-~]{16,}")  # ours, or one that the operator put there


class CannotUseFolder(PushdError):
    """The data folder, or a file in it, cannot be used."""

    id, status = "cannot_use_folder", 500


class AlreadyRunning(PushdError):
    """Another daemon holds this data folder."""

    id, status = "already_running", 500


def serve(effective: Effective, *, environ: Mapping[str, str]) -> int:
    """Run the daemon until SIGINT (dynos, router and daemon end) or SIGTERM (the daemon alone ends). Gives the exit code."""
    settings = effective.settings
    _log_to_stderr(settings.log_level)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a pipe per dyno, a connection per push and tail
    layout = Layout(settings.data_dir)
    with _open_lock(layout) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another daemon runs in {settings.data_dir}",
                remedy="Stop it first, or give this one another --data-dir.",
            ) from None
        uvloop.run(_serve(settings, layout, environ))
    return 0


def check(effective: Effective, *, environ: Mapping[str, str]) -> int:
    """Print the settings, where each came from, and what this machine can do; changes nothing that stays."""
    for setting in SETTINGS:
        value = getattr(effective.settings, setting.name)
        print(f"{setting.name} = {value}  ({effective.origins[setting.name]})")
    print()
    with tempfile.TemporaryDirectory(prefix="pushd-check-") as folder:
        sandbox = uvloop.run(Sandbox.probe(Path(folder), effective.settings.sandbox))
    for protection in sandbox.protections:
        print(f"{protection.name}: {'on' if protection.on else 'OFF: ' + protection.why}")
    git = shutil.which("git", path=environ.get("PATH"))
    print(f"git program: {git or 'not found: large packs are indexed more slowly'}")
    return 0


async def _serve(settings: Settings, layout: Layout, environ: Mapping[str, str]) -> None:
    how_to_stop: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _asked, how_to_stop, number)
    notify = environ.get("NOTIFY_SOCKET")
    async with AsyncExitStack() as stack:
        parts = await _build(stack, settings, layout, environ)
        endpoints = await _start(parts, settings, layout, environ)
        print(endpoints.ready_line(), flush=True)
        sdnotify.notify(notify, "READY=1")
        parts.nursery.start(parts.resume.boot_all(), name="boot all apps")
        asked = await how_to_stop
        log.info("stopping", extra={"signal": asked.name})
        sdnotify.notify(notify, "STOPPING=1")
        await _stop(parts, everything=asked is signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What start and stop act upon."""

    store: Store
    apps: Apps
    runner: Runner
    router: Router
    receiver: Receiver
    hooks: HookServer
    builder: Builder
    api: ApiServer
    resume: Resume
    nursery: Nursery


async def _build(stack: AsyncExitStack, settings: Settings, layout: Layout, environ: Mapping[str, str]) -> _Parts:
    """Every part, knowing each other and doing nothing yet; the stack closes them in the opposite order."""
    clock: Clock = SystemClock()
    store = await Store.open(layout.store, layout.secret_key, clock)
    stack.push_async_callback(store.close)
    await _make_operator(store, layout, settings.domain)
    sandbox = await Sandbox.probe(layout.run, settings.sandbox, data=layout.data)
    for protection in sandbox.protections:
        if not protection.on:
            log.warning("protection off", extra={"protection": protection.name, "why": protection.why})
    logplex = await stack.enter_async_context(Logplex(layout, clock))
    nursery = await stack.enter_async_context(Nursery("daemon"))
    visitors = Visitors(store, layout, domain=settings.domain, pages=Pages(clock))
    router = Router(
        layout=layout,
        routes=visitors,
        clock=clock,
        default_app=settings.default_app,
        on_log=lambda app_id, line: logplex.say(app_id, PLATFORM, "router", line),
    )
    runner = await stack.enter_async_context(
        Runner(
            scheduler=LocalScheduler(layout, sandbox),
            pipes=logplex,
            traffic=router,
            dynos=store.dynos,
            layout=layout,
            clock=clock,
            domain=settings.domain,
            run_timeout_seconds=settings.run_timeout_seconds,
        )
    )
    builder = Builder(
        layout=layout,
        sandbox=sandbox,
        slugs=store.slugs,
        clock=clock,
        tools=Tools.find(environ),
        buildpacks=shipped("buildpacks"),
        passthrough=build_passthrough(environ),
        timeout_seconds=settings.build_timeout_seconds,
    )
    disk = DiskReserve(layout.data, settings.disk_reserve_bytes)
    outputs = Outputs(layout)
    turns = BootTurns()
    verdicts = Verdicts(nursery, clock)
    changes = Changes(store, verdicts)
    releaser = Releaser(store, domain=settings.domain)
    phase = ReleasePhase(store, runner, outputs, timeout_seconds=settings.release_phase_timeout_seconds)
    live = GoLive(
        store=store,
        releaser=releaser,
        phase=phase,
        runner=runner,
        app_log=logplex,
        turns=turns,
        verdicts=verdicts,
    )
    retention = Retention(
        store=store,
        builder=builder,
        outputs=outputs,
        live=live,
        slugs_kept=settings.slugs_kept,
        builds_kept=settings.builds_kept,
    )
    deploys = Deploys(
        store=store,
        builder=builder,
        releaser=releaser,
        live=live,
        retention=retention,
        changes=changes,
        runner=runner,
        app_log=logplex,
        outputs=outputs,
        disk=disk,
        verdicts=verdicts,
        nursery=nursery,
        address_of=lambda app: web_url(app.name, settings.domain, router.url),
    )
    repositories = Repositories(layout)
    apps = Apps(
        store=store,
        layout=layout,
        runner=runner,
        router=router,
        builder=builder,
        repositories=repositories,
        app_log=logplex,
        turns=turns,
        disk=disk,
        nursery=nursery,
    )
    access = Access(store.users)
    receiver = Receiver(
        layout=layout,
        repositories=repositories,
        apps=store.apps,
        app_settings=store.settings,
        access=access,
        deploys=deploys,
        settings=settings,
        nursery=nursery,
    )
    application = await make_application(
        store=store,
        access=access,
        deploys=deploys,
        apps=apps,
        outputs=outputs,
        tails=logplex,
        clock=clock,
        site=Site(
            version=__version__,
            domain=settings.domain,
            web_url_of=lambda app: web_url(app.name, settings.domain, router.url),
            body_limit_bytes=settings.body_limit_bytes,
            started_at=clock.now(),
        ),
    )
    add_routes(application, receiver)
    return _Parts(
        store=store,
        apps=apps,
        runner=runner,
        router=router,
        receiver=receiver,
        hooks=HookServer(layout=layout, receiver=receiver, users=store.users),
        builder=builder,
        api=ApiServer(application, certificate=Certificate(layout.tls, settings.domain), clock=clock),
        resume=Resume(store=store, deploys=deploys, live=live, changes=changes, router=router),
        nursery=nursery,
    )


async def _start(parts: _Parts, settings: Settings, layout: Layout, environ: Mapping[str, str]) -> Endpoints:
    """Settle the past, take the ports, serve; apps boot afterwards while the router holds their visitors."""
    meta = parts.store.meta
    handed_over = dict(named(inherited_sockets(environ, pid=os.getpid())))
    api = _api_door(settings.api_listen, handed_over.get("api"), last_port=await meta.get("api_port"))
    await parts.router.start(
        settings.router_listen, last_port=await meta.get("router_port"), inherited=handed_over.get("router")
    )
    await parts.apps.limit_logs()
    await parts.resume.settle()
    await parts.resume.announce()  # from here on visitors wait for what boots
    await parts.runner.end_leftovers()
    await parts.apps.sweep()
    await parts.receiver.sweep()
    await parts.builder.sweep()
    await parts.api.start([api.socket])
    await parts.hooks.start()
    endpoints = Endpoints(api=api.url, router=parts.router.url, ssh=None, domain=settings.domain, pid=os.getpid())
    for name, port in (("api_port", api.port), ("router_port", parts.router.port)):
        if port:
            await meta.set(name, port)
    endpoints.write(layout.endpoints)
    log.info("ready", extra=endpoints.as_json())
    return endpoints


def _api_door(address: str, inherited: socket.socket | None, *, last_port: str | None) -> Door:
    """systemd's socket, else one bound now. Raises: CannotListen."""
    if inherited is not None:
        return door_of(inherited)
    try:
        return open_door(address, last_port=last_port)
    except (ValueError, OSError) as error:
        raise CannotListen(address, error, flag="--api-listen") from error


async def _stop(parts: _Parts, *, everything: bool) -> None:
    """Take no more work; then end dynos and router too, or leave them to the next daemon."""
    await parts.hooks.close()
    await parts.api.stop()
    await parts.nursery.close()  # first: to a deploy under way the end of its dynos would be a failed boot
    if everything:
        await parts.runner.stop_all()
    await (parts.router.stop() if everything else parts.router.leave())


def _open_lock(layout: Layout) -> TextIO:
    """The file that the daemon of this data folder locks; the folder is made if need be. Raises: CannotUseFolder."""
    try:
        layout.make()
        return open(layout.daemon_lock, "w")
    except OSError as error:
        raise CannotUseFolder(
            f"cannot use the data folder {layout.data}: {error.strerror} ({error.filename})",
            remedy="Give a folder that this user may write as --data-dir or PUSHD_DATA_DIR.",
        ) from error


async def _make_operator(store: Store, layout: Layout, domain: str) -> None:
    """At the first start: the operator's account, and its token in a file that only this user may read."""
    if not layout.admin_token.exists():
        write_atomically(layout.admin_token, new_token().encode() + b"\n", mode=0o600)
    token = layout.admin_token.read_text("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise CannotUseFolder(
            f"{layout.admin_token} holds no token", remedy="Remove that file: this command makes a new one at its next start."
        )
    await store.users.create_operator(f"admin@{domain}", token)


def _asked(how_to_stop: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not how_to_stop.done():
        how_to_stop.set_result(number)


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
