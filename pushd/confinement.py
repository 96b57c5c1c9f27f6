"""What keeps apps apart on this machine, found out at the start: the sandbox, the users of apps, the fence around ports."""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.aio import in_thread
from pushd.kit.atomic import write_atomically
from pushd.kit.cgroup import Groups
from pushd.kit.disk import is_full
from pushd.kit.uids import UidRange, parse_uid_range
from pushd.layout import Layout
from pushd.model.protection import Protection
from pushd.rights import Rights
from pushd.sandbox.fence import NO_FENCE, Fence, NoFence
from pushd.sandbox.sandbox import Sandbox, owner_of
from pushd.settings import Settings
from pushd.uids import AppUids, NoUids, Numbers, abandoned, reserved

log = logging.getLogger(__name__)

PRIVATE_PORTS = "private ports"
UIDS_OFF = "it is switched off by the setting uid_range = off"


@dataclass(frozen=True, slots=True)
class Confinement:
    """How apps are kept apart, and in words how well."""

    sandbox: Sandbox
    within: UidRange | None  # the uids for apps
    fence: Fence
    protections: tuple[Protection, ...]

    @property
    def commands_uid(self) -> int | None:
        """Whom commands over SSH run as; None where nobody can choose."""
        return None if self.within is None else self.within.last

    def uids(self, numbers: Numbers) -> AppUids:
        """Who runs as whom, by the numbers that the store keeps."""
        return AppUids(numbers, self.within, is_root=os.geteuid() == 0)

    def tell(self) -> None:
        """What does not work, in the daemon's log."""
        for protection in self.protections:
            if not protection.on:
                log.warning("protection off", extra={"protection": protection.name, "why": protection.why})


async def make_confinement(stack: AsyncExitStack, settings: Settings, layout: Layout) -> Confinement:
    """Try what works, and hold the uids until the stack is closed. It opens no store: that may need room which we make.

    Raises: NoSandbox, UidsTaken.
    """
    within, why_not = await _maybe_reserve(stack, settings, layout)
    sandbox = await Sandbox.probe(
        layout.run,
        settings.sandbox,
        data=layout.data,
        groups=await in_thread(Groups.find, owner_of(layout.data), settings.dyno_cgroup),
        user=within.first if within else None,
        no_user=why_not,
    )
    if not sandbox.way.own_users:
        within = None
    elif await in_thread(_maybe_last, layout) != within:
        await in_thread(_remember, layout, within)
    fence, ports = await find_fence(settings, layout, sandbox)
    if fence is not NO_FENCE:
        await clear_abandoned(fence)
    return Confinement(sandbox, within, fence, (*sandbox.protections, ports))


async def find_fence(settings: Settings, layout: Layout, sandbox: Sandbox) -> tuple[Fence, Protection]:
    """What keeps a dyno's port to its app, tried on this machine; a fence of no effect where nothing does."""
    if settings.private_ports == "off":
        return NO_FENCE, Protection(PRIVATE_PORTS, False, "it is switched off by the setting private_ports = off")
    if not sandbox.way.own_users:
        return NO_FENCE, Protection(PRIVATE_PORTS, False, "the kernel tells apps apart by their users, and they have none")
    if why := Rights.found().why_no_fence():
        return NO_FENCE, Protection(PRIVATE_PORTS, False, why)
    try:
        fence = await Fence.find(_table_of(layout.data))
    except NoFence as error:
        return NO_FENCE, Protection(PRIVATE_PORTS, False, str(error))
    return fence, Protection(PRIVATE_PORTS, True, "nobody but the app itself and the router reaches a dyno's PORT")


async def clear_abandoned(fence: Fence) -> None:
    """Take away the tables of data folders that were removed while their daemon was killed: nobody else will."""
    with ExitStack() as stack:
        for note, data in await in_thread(stack.enter_context, abandoned()):
            if await fence.remove_of(_table_of(data)):
                log.info("forgot a data folder that is gone", extra={"data": data})
                note.unlink(missing_ok=True)


def _table_of(data: Path) -> str:
    return owner_of(data).replace("-", "_")


async def _maybe_reserve(stack: AsyncExitStack, settings: Settings, layout: Layout) -> tuple[UidRange | None, str]:
    """The range for apps, else why there is none. Raises: UidsTaken."""
    if os.geteuid() != 0 or settings.sandbox == "off":
        return None, ""
    if why := why_no_users(settings):
        return None, why
    last = await in_thread(_maybe_last, layout)
    try:
        return await in_thread(stack.enter_context, reserved(settings.uid_range, layout.data, last=last)), ""
    except NoUids as error:
        return None, str(error)


def why_no_users(settings: Settings) -> str:
    """What keeps root from giving apps users of their own, before anything is tried; "" if nothing does."""
    return UIDS_OFF if settings.uid_range == "off" else Rights.found().why_no_users()


def _maybe_last(layout: Layout) -> UidRange | None:
    """What the apps had before; a file that does not say it counts for nothing."""
    try:
        return parse_uid_range(layout.uid_range.read_text("ascii", "replace").strip())
    except (OSError, ValueError):
        return None


def _remember(layout: Layout, within: UidRange | None) -> None:
    """On a full disk it is not: then the same range is as likely as any other the next time."""
    try:
        write_atomically(layout.uid_range, f"{within}\n".encode(), mode=0o600)
    except OSError as error:
        if not is_full(error):
            raise
