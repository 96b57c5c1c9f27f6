"""Builds every part, starts them in order and stops them in the opposite order; the only module that knows every class."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import resource
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from pushd import __version__
from pushd.access.access import Access
from pushd.access.rates import Rates
from pushd.access.sessions import Sessions
from pushd.access.slowdown import Slowdown
from pushd.access.standing import Standing
from pushd.api.needs import STRANGERS, Site
from pushd.api.server import ApiServer, make_application
from pushd.assembly import Rooms, Story, build_story, certificate_of
from pushd.builder.builder import Builder, BuildLimits
from pushd.builder.detect import installed_buildpacks
from pushd.builder.fetching import Fetcher
from pushd.builder.tools import Tools
from pushd.builder.workshop import empty_workshops
from pushd.check import check as check  # `serve --check`
from pushd.confinement import make_confinement
from pushd.crash_points import CrashAt
from pushd.endpoints import Endpoints, web_url
from pushd.errors import DiskFull
from pushd.folder import key_file, locked, make_operator
from pushd.kit import crash, procfs, sdnotify
from pushd.kit.aio import Nursery, in_thread
from pushd.kit.clock import Clock, SystemClock
from pushd.kit.disk import is_full
from pushd.kit.ending import Ending
from pushd.kit.fetch import Pages
from pushd.kit.fingerprint import fingerprint
from pushd.kit.logfmt import LogfmtFormatter
from pushd.kit.secrecy import close_session_keyring, keep_memory_closed
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from pushd.model.logline import PLATFORM
from pushd.receiver.hooks import HookServer
from pushd.receiver.http import add_routes
from pushd.receiver.receiver import Receiver
from pushd.receiver.repositories import Repositories
from pushd.receiver.stream import serve as serve_git
from pushd.router.control import Router
from pushd.runner.parts import RunLimits
from pushd.runner.runner import Runner
from pushd.runner.schedulers.local import LocalScheduler
from pushd.settings import Effective, Settings, build_passthrough
from pushd.shipped import shipped
from pushd.sockets import Sockets, open_sockets
from pushd.ssh.host_key import public_line
from pushd.ssh.programs import Programs
from pushd.ssh.server import SshServer
from pushd.store.store import Store
from pushd.story.disk import DiskReserve
from pushd.story.outputs import Outputs
from pushd.story.uploads import Uploads
from pushd.story.visitors import Visitors
from pushd.webhooks.courier import Courier

log = logging.getLogger(__name__)


def serve(effective: Effective, *, environ: Mapping[str, str]) -> int:
    """Run the daemon until SIGINT (dynos, router and daemon end), or SIGTERM or SIGHUP (the daemon alone). Gives the exit code.

    1: the store or a listener failed; dynos and router are left to the next daemon, as after SIGTERM.
    """
    settings = effective.settings
    _log_to_stderr(settings.log_level)
    keep_memory_closed()
    close_session_keyring()
    faulthandler.enable()  # systemd's watchdog ends us by SIGABRT: the log then says where we hung
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a pipe per dyno, a connection per push and tail
    if settings.crash_at is not None:
        _arm(settings.crash_at)
    layout = Layout(settings.data_dir)
    with locked(layout):
        return uvloop.run(_serve(settings, layout, environ))


async def _serve(settings: Settings, layout: Layout, environ: Mapping[str, str]) -> int:
    ending = Ending()
    ending.listen()
    notify = environ.get("NOTIFY_SOCKET")
    async with AsyncExitStack() as stack:
        rooms = await _build_rooms(stack, settings, layout, environ)
        story = build_story(rooms)
        sockets = await open_sockets(settings, layout, rooms.store.meta, environ)
        stack.callback(sockets.close)
        doors = await _build_doors(rooms, story, ending, sockets)
        rooms.store.database.on_failure(lambda error: ending.fail("store", error))
        endpoints = await _start(stack, ending, rooms, story, doors, sockets)
        print(endpoints.ready_line(), flush=True)
        if not rooms.confinement.sandbox.confines:
            log.warning(
                "apps are not confined: each can read what this daemon can, its secrets and the other apps included",
                extra={"why": next(each.why for each in rooms.confinement.protections if each.name == "sandbox")},
            )
        sdnotify.notify(notify, f"READY=1\nSTATUS=API at {endpoints.api}, visitors at {endpoints.router}")
        if (silence := sdnotify.watchdog_seconds(environ, pid=os.getpid())) is not None:
            alive = sdnotify.keep_telling(notify, silence, rooms.store.database.answer, rooms.clock)
            rooms.nursery.start(alive, name="tell systemd that we are alive")
        rooms.nursery.start(story.resume.boot_all(), name="boot all apps")
        rooms.nursery.start(story.soundness.check(procfs.boot_id()), name="look at all slugs")
        await ending.wait()
        sdnotify.notify(notify, "STOPPING=1")
    return 1 if ending.failed else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doors:
    """Where pushes and commands come in."""

    receiver: Receiver
    hooks: HookServer
    api: ApiServer
    ssh: SshServer


async def _build_rooms(stack: AsyncExitStack, settings: Settings, layout: Layout, environ: Mapping[str, str]) -> Rooms:
    """The rooms, doing nothing yet; the stack closes them in the opposite order."""
    clock: Clock = SystemClock()
    confinement = await make_confinement(stack, settings, layout)
    sandbox = confinement.sandbox
    await in_thread(sandbox.end_orphans)
    await in_thread(empty_workshops, layout)
    store = await Store.open(layout.store, key_file(settings, layout, environ), clock)
    stack.push_async_callback(store.close)
    await make_operator(store, layout, settings.domain)
    uids = confinement.uids(store.uids)
    confinement.tell()
    logplex = await stack.enter_async_context(Logplex(layout, clock))
    nursery = await stack.enter_async_context(Nursery("daemon"))
    visitors = Visitors(store, layout, domain=settings.domain, pages=Pages(clock, settings.fetch_private))
    router = Router(
        layout=layout,
        routes=visitors,
        clock=clock,
        default_app=settings.default_app,
        on_log=lambda app_id, line: logplex.say(app_id, PLATFORM, "router", line),
        groups=sandbox.groups,
    )
    runner = await stack.enter_async_context(
        Runner(
            scheduler=LocalScheduler(layout, sandbox, uids, confinement.fence),
            pipes=logplex,
            traffic=router,
            dynos=store.dynos,
            layout=layout,
            clock=clock,
            domain=settings.domain,
            limits=RunLimits(
                run_seconds=settings.run_timeout_seconds,
                attach_seconds=settings.run_attach_seconds,
                idle_seconds=settings.run_idle_seconds,
            ),
        )
    )
    disk = DiskReserve(layout.data, settings.disk_reserve_bytes, settings.disk_reserve_files)
    builder = Builder(
        layout=layout,
        sandbox=sandbox,
        uids=uids,
        slugs=store.slugs,
        clock=clock,
        tools=Tools.find(environ),
        fetcher=Fetcher(
            layout=layout,
            reach=settings.fetch_private,
            git=None if settings.git_program == "never" else shutil.which("git", path=environ.get("PATH")),
            environ=build_passthrough(environ),
            within_seconds=settings.source_timeout_seconds,
        ),
        buildpacks=shipped("buildpacks"),
        passthrough=build_passthrough(environ),
        limits=BuildLimits(source_seconds=settings.source_timeout_seconds, compile_seconds=settings.build_timeout_seconds),
        room=disk,
        caches_kept_bytes=settings.caches_kept_bytes,
    )
    return Rooms(
        settings=settings,
        layout=layout,
        clock=clock,
        store=store,
        logplex=logplex,
        nursery=nursery,
        router=router,
        runner=runner,
        builder=builder,
        disk=disk,
        outputs=Outputs(layout),
        uploads=Uploads(layout, disk, limit_bytes=settings.source_limit_bytes),
        repositories=Repositories(layout),
        confinement=confinement,
    )


async def _build_doors(rooms: Rooms, story: Story, ending: Ending, sockets: Sockets) -> _Doors:
    """What serves the sockets, once it is started."""
    settings, layout = rooms.settings, rooms.layout
    sessions = Sessions(rooms.store.ssh_keys, rooms.store.users)
    access = Access(rooms.store.users, slowdown=Slowdown(rooms.clock), sessions=sessions)
    standing = Standing(access, rooms.store.apps, rooms.clock, rooms.store.database.on_write)
    receiver = Receiver(
        layout=layout,
        repositories=rooms.repositories,
        apps=rooms.store.apps,
        app_settings=rooms.store.settings,
        access=access,
        standing=standing,
        deploys=story.deploys,
        settings=settings,
        nursery=rooms.nursery,
        audit=rooms.store.audit,
    )
    application = await make_application(
        store=rooms.store,
        access=access,
        standing=standing,
        rates=Rates(settings.api_requests_per_hour, rooms.clock),
        deploys=story.deploys,
        dynos=story.dynos,
        apps=story.apps,
        belongings=story.belongings,
        promotions=story.promotions,
        runs=story.runs,
        outputs=rooms.outputs,
        uploads=rooms.uploads,
        source_builds=story.source_builds,
        slug_uploads=story.slug_uploads,
        disk_usage=story.disk_usage,
        tails=rooms.logplex,
        clock=rooms.clock,
        site=Site(
            version=__version__,
            domain=settings.domain,
            web_url_of=lambda app: web_url(app.name, settings.domain, rooms.router.url),
            body_limit_bytes=settings.body_limit_bytes,
            buildpacks=tuple(folder.name for folder in installed_buildpacks(shipped("buildpacks"))),
            started_at=rooms.clock.now(),
            protections=rooms.confinement.protections,
            ssh_url=None if sockets.ssh is None else sockets.ssh.url_of("ssh"),
            ssh_host_key=None if sockets.host_key is None else public_line(sockets.host_key),
        ),
    )
    add_routes(application, receiver, application[STRANGERS])
    return _Doors(
        receiver=receiver,
        hooks=HookServer(layout=layout, receiver=receiver, users=rooms.store.users, group=settings.hook_group),
        api=ApiServer(
            application,
            certificate=certificate_of(settings, layout),
            clear_text=settings.api_clear_text == "everywhere",
            clock=rooms.clock,
            on_failed=lambda error: ending.fail("listener of the API", error),
        ),
        ssh=_ssh_server(rooms, sessions, receiver, ending, api=sockets.api.url),
    )


async def _start(
    stack: AsyncExitStack,
    ending: Ending,
    rooms: Rooms,
    story: Story,
    doors: _Doors,
    sockets: Sockets,
) -> Endpoints:
    """Settle the past, take the ports, serve; what does not run boots afterwards while the router holds its visitors.

    The stack ends what was started, also when something later fails.
    """
    settings, meta = rooms.settings, rooms.store.meta
    await rooms.builder.sweep()  # first: what a killed build left may be what fills the disk
    await rooms.uploads.clear_unfinished()
    await rooms.router.start(settings.router_listen, last_port=await meta.get("router_port"), inherited=sockets.router)
    stack.push_async_callback(_end_apps, rooms, story, ending)
    await story.apps.limit_logs()
    await story.resume.settle()
    await story.promotions.settle()
    await story.resume.adopt()
    await story.resume.announce()  # what was adopted serves on; from here on visitors wait for what boots
    await story.apps.sweep()
    await doors.receiver.sweep()
    await story.retention.sweep()
    rooms.nursery.keep(rooms.uploads.keep_tidy, name="remove old uploads")
    stack.push_async_callback(doors.ssh.stop)  # after the API, whose end tells pushes under way that it is the end
    stack.push_async_callback(doors.api.stop)
    await doors.api.start([sockets.api.socket])
    if sockets.ssh is not None and sockets.host_key is not None:
        await doors.ssh.start(sockets.ssh.socket, sockets.host_key)
        stack.callback(doors.ssh.close_door)
    courier = Courier(rooms.store.webhook_events, rooms.store.database.on_write, rooms.clock, settings.send_private)
    await stack.enter_async_context(courier)
    stack.push_async_callback(doors.hooks.close)
    await doors.hooks.start()
    ssh = sockets.ssh
    endpoints = Endpoints(
        api=sockets.api.url,
        router=rooms.router.url,
        ssh=None if ssh is None else ssh.url_of("ssh"),
        domain=settings.domain,
        pid=os.getpid(),
    )
    for name, port in (("api_port", sockets.api.port), ("router_port", rooms.router.port), ("ssh_port", ssh and ssh.port)):
        if port and port != await meta.get(name):
            try:
                await meta.set(name, port)
            except DiskFull:
                log.warning("a port is not remembered: the disk is full", extra={"door": name, "port": port})
    try:
        endpoints.write(rooms.layout.endpoints)
    except OSError as error:
        if not is_full(error):
            raise
        log.warning("endpoints.json is of the last daemon: the disk is full")  # which had the same addresses, as a rule
    await in_thread(_tell_authority, doors.api.authority)
    log.info("ready", extra=endpoints.as_json())
    return endpoints


def _tell_authority(file: Path) -> None:
    """So that who logs in from elsewhere can compare it."""
    with contextlib.suppress(OSError, ValueError):
        log.info("authority of the API's certificate", extra={"sha256": fingerprint(file.read_bytes()), "file": str(file)})


async def _end_apps(rooms: Rooms, story: Story, ending: Ending) -> None:
    """SIGINT ends dynos and router; SIGTERM or SIGHUP, or a part that failed, leaves them to the next daemon.

    A start that failed ends the router it began.
    """
    await rooms.nursery.close()  # first: to a deploy under way the end of its dynos would be a failed boot
    if ending.asked is signal.SIGINT:
        await rooms.runner.stop_all()
        await rooms.confinement.fence.remove()
        await story.apps.sweep()  # of what was destroyed just now; there may be no next daemon
    if ending.asked is signal.SIGINT or not (ending.is_decided or rooms.router.was_running):
        await rooms.router.stop()
    else:
        await rooms.router.leave()


def _ssh_server(rooms: Rooms, sessions: Sessions, receiver: Receiver, ending: Ending, *, api: str) -> SshServer:
    return SshServer(
        keys=sessions,
        git=partial(serve_git, receiver),
        programs=Programs(
            sandbox=rooms.confinement.sandbox,
            user=rooms.confinement.commands_uid,
            folder=rooms.layout.ssh_programs,
            api=api,
            at_once=rooms.settings.ssh_commands_at_once,
        ),
        on_write=rooms.store.database.on_write,
        on_failed=lambda error: ending.fail("listener of SSH", error),
    )


def _arm(where: CrashAt) -> None:
    """For tests and drills: end by our own hand there."""
    if where.note is not None:
        crash.arm_by(where.note)
    else:
        crash.arm(where.point, passing=where.passing)


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
