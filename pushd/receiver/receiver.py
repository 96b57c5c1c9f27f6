"""The front door for pushes to our own repositories; what transport they come by is not known here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from pushd import __version__
from pushd.access.actions import Action
from pushd.errors import Forbidden, NotFound, PushdError
from pushd.kit.aio import Nursery, finish, in_thread
from pushd.kit.crash import crash_point
from pushd.kit.transcript import Transcript, complaint
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.deed import DONE
from pushd.model.user import User
from pushd.receiver.commands import ZERO, Command, PushRequest
from pushd.receiver.deploying import OUR_BUG
from pushd.receiver.git import find_git
from pushd.receiver.needs import Access, Apps, Audit, Deploys, SettingsOfApps, Standing
from pushd.receiver.pack import IncomingPack
from pushd.receiver.pktline import FLUSH, Read, pkt
from pushd.receiver.progress import (
    DATA,
    PROGRESS,
    Report,
    Write,
    band,
    refused,
    send_output,
    short_reason,
)
from pushd.receiver.push import Order, Push, Scene
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repack import repack
from pushd.receiver.repositories import Repositories, Repository
from pushd.receiver.room import MEGABYTE, explaining_full_disk
from pushd.settings import Settings

log = logging.getLogger(__name__)

CAPABILITIES = (
    f"report-status delete-refs side-band-64k ofs-delta push-options atomic object-format=sha1 agent=pushd/{__version__}"
)
PUSH = "git push"  # in the audit trail
_CLEANUP_SECONDS = 60.0
_STOP_SECONDS = 5.0  # that a push under way is given when the server stops


@dataclass(frozen=True, slots=True)
class Ongoing:
    """A push whose pack is in: its output while it grows, its report at the end. It goes on if nobody listens."""

    request: PushRequest
    transcript: Transcript
    report: asyncio.Task[Report]

    async def tell(self, write: Write, *, keepalive_seconds: float) -> None:
        """Hand the client output while it comes, then the report, as its capabilities ask.

        Raises: whatever `write` raises when the client is gone; the push goes on.
        """
        has_bands = "side-band-64k" in self.request.capabilities
        if has_bands:
            async with aclosing(self.transcript.follow(silence_seconds=keepalive_seconds)) as output:
                await send_output(output, write)
        await asyncio.wait({self.report})  # awaiting the task itself would let our cancellation pass on to it
        if self.report.cancelled():
            report = refused((command.ref for command in self.request.commands), "the server is stopping, push again")
        else:
            report = self.report.result()
        await write(_ending(self.request, report))

    def forget(self) -> None:
        """Nobody listens any more: the output's file goes once the push has ended; a build's record has its own name for it."""
        self.report.add_done_callback(lambda _: self.transcript.path.unlink(missing_ok=True))


class Receiver:
    """Takes in pushes, any number at a time, and carries each to its end."""

    def __init__(
        self,
        *,
        layout: Layout,
        repositories: Repositories,
        apps: Apps,
        app_settings: SettingsOfApps,
        access: Access,
        standing: Standing,
        deploys: Deploys,
        settings: Settings,
        nursery: Nursery,
        audit: Audit,
    ) -> None:
        self.apps = apps
        self.access = access
        self.standing = standing
        self.repositories = repositories
        self.git = find_git(settings)
        self.keepalive_seconds = settings.build_keepalive_seconds
        self._layout = layout
        self.app_settings = app_settings
        self.deploys = deploys
        self.nursery = nursery
        self.audit = audit
        self._index_above_bytes = settings.git_index_above_bytes
        self._reserve_bytes = settings.disk_reserve_bytes
        self._reserve_files = settings.disk_reserve_files
        self._orders: WeakValueDictionary[UUID, Order] = WeakValueDictionary()  # its pushes hold it
        self._pushes: set[asyncio.Task[Report]] = set()
        self._repacking: set[UUID] = set()
        self._repack_seconds = settings.source_timeout_seconds

    async def sweep(self) -> None:
        """Remove what pushes of a killed daemon left; for the start, before anything is received."""
        await in_thread(self.repositories.sweep)
        await in_thread(_remove_transcripts, self._layout)

    async def advertise(self, repository: Repository) -> bytes:
        """Every ref with its value, and what this server can: the first half of a push. Source: gitprotocol-pack(5)."""
        refs = await in_thread(repository.refs) or {"capabilities^{}": ZERO}
        lines = [f"{value} {ref}".encode("utf-8", "surrogateescape") for ref, value in refs.items()]
        lines[0] += f"\0{CAPABILITIES}".encode()
        return b"".join(pkt(line + b"\n") for line in lines) + FLUSH

    async def receive(self, app: App, user: User, request: PushRequest, read: Read, *, source: str) -> Ongoing:
        """Take in the pack that `read` gives, then let the push go its way. `source`: the address that it comes from.

        Raises: whatever `read` raises when the client goes away before its pack is whole, and Unauthorized or NotFound when
        the user has lost the right to push meanwhile: nothing is left then.
        """
        with explaining_full_disk():
            entry = await self.audit.begin(user, action=PUSH, source=source, app=app)
        try:
            return await self._take_in(app, user, request, read, entry)
        except Exception as error:  # not what ends us: then the entry has no end
            await self.note(entry, request.commands, told_in_audit(error))
            raise

    async def note_refused(self, app: App, user: User, error: Forbidden, *, source: str) -> None:
        """For the audit trail: a push by who may see the app and not push to it, which does not even begin."""
        with explaining_full_disk():
            entry = await self.audit.begin(user, action=PUSH, source=source, app=app)
        await self.note(entry, (), told_in_audit(error))

    async def _take_in(self, app: App, user: User, request: PushRequest, read: Read, entry: int) -> Ongoing:
        with explaining_full_disk():
            push, transcript = await self._open(app, user, request)
        crash_point("push.opened")
        try:
            await push.take(read)
            await self.check_still(user, Action.PUSH, app)
        except BaseException:
            await finish(push.discard(), within=_CLEANUP_SECONDS)
            transcript.path.unlink(missing_ok=True)
            raise
        task = self.nursery.start(self._carry_on(app, push, request, entry), name=f"push to {app.name}")
        self._pushes.add(task)
        task.add_done_callback(self._pushes.discard)
        return Ongoing(request, transcript, task)

    async def stop(self, *, grace_seconds: float = _STOP_SECONDS) -> None:
        """Let pushes under way end, or cut them off while whoever pushed can still be told so."""
        if pushes := set(self._pushes):
            await asyncio.wait(pushes, timeout=grace_seconds)
            for task in pushes:
                task.cancel()
            await asyncio.wait(pushes)

    async def check_still(self, user: User, action: Action, app: App) -> None:
        """What was allowed when a client began need not be when it has sent all. Raises: Unauthorized, NotFound, Forbidden."""
        self.access.check(await self.access.again(user), action, await self.apps.find(app.id))

    async def _open(self, app: App, user: User, request: PushRequest) -> tuple[Push, Transcript]:
        repository = await self.repositories.open(app.id)
        settings = await self.app_settings.of(app)
        quarantine = await in_thread(Quarantine, repository)
        try:
            transcript = open_transcript(self._layout, app)
        except OSError:
            await in_thread(quarantine.remove)
            raise
        pack = IncomingPack(
            repository,
            quarantine,
            git=self.git,
            head_bytes=self._index_above_bytes,
            limit_bytes=settings["pack-limit-mb"] * MEGABYTE,
        )
        scene = Scene(
            app=app,
            user=user,
            settings=settings,
            repository=repository,
            quarantine=quarantine,
            transcript=transcript,
            deploys=self.deploys,
            order=self._orders.setdefault(app.id, Order()),
            reserve_bytes=self._reserve_bytes,
            reserve_files=self._reserve_files,
        )
        return Push(scene, request, pack), transcript

    async def _carry_on(self, app: App, push: Push, request: PushRequest, entry: int) -> Report:
        try:
            report = await push.settle()
        finally:
            await finish(push.discard(), within=_CLEANUP_SECONDS)
        await self.note(entry, request.commands, next((reason for reason in report.refs.values() if reason), ""))
        log.info("push ended", extra={"app": app.name, "unpack": report.unpack, "refs": len(report.refs)})
        self.nursery.start(self._measure(app), name=f"measure {app.name}")
        return report

    async def note(self, entry: int, commands: Sequence[Command], refusal: str) -> None:
        """How a push ended, for the audit trail: what each ref was, and was to be; "" for no refusal."""
        moves = {each.ref: {"before": each.old[:7], "after": each.new[:7]} for each in commands}
        try:
            await self.audit.end(entry, f"refused: {refusal}" if refusal else DONE, moves)
        except PushdError as error:  # a full disk: that it began is there
            log.warning("end not in the audit trail", extra={"entry": entry, "because": error.message})

    async def _measure(self, app: App) -> None:
        with suppress(NotFound):  # destroyed meanwhile
            await self._repack(app)
            await self.apps.set_sizes(app, repo_size_bytes=await self.repositories.size_bytes(app.id))

    async def _repack(self, app: App) -> None:
        """Keep the packs of the repository few, where the git program is; one that is being repacked is left to that."""
        if self.git is None or app.id in self._repacking:
            return
        self._repacking.add(app.id)
        try:
            if await repack(Repository(self._layout.repository(app.id)), self.git, within=self._repack_seconds):
                log.info("repository repacked", extra={"app": app.name})
        except OSError as error:  # a full disk: the old packs are all there
            log.warning("repository not repacked", extra={"app": app.name, "why": error.strerror})
        finally:
            self._repacking.discard(app.id)


def refusal(request: PushRequest, error: PushdError) -> bytes:
    """All that a client is told of a push that could not even begin."""
    words = band(PROGRESS, f"{complaint(error.text)}\n".encode()) if "side-band-64k" in request.capabilities else b""
    return words + _ending(request, refused((command.ref for command in request.commands), short_reason(error)))


def _ending(request: PushRequest, report: Report) -> bytes:
    has_bands, wants_report = "side-band-64k" in request.capabilities, "report-status" in request.capabilities
    data = report.encoded() if wants_report else b""
    return (band(DATA, data) + FLUSH) if has_bands else data


def told_in_audit(error: Exception) -> str:
    """Why a push went no further."""
    if isinstance(error, PushdError):
        return error.message
    return "the client went away" if isinstance(error, ConnectionError | EOFError) else OUR_BUG


def open_transcript(layout: Layout, app: App) -> Transcript:
    """A new file for the output of one push."""
    return Transcript(layout.outputs(app.id) / "pushes" / f"{uuid4()}.txt")


def _remove_transcripts(layout: Layout) -> None:
    for folder in layout.outputs(UUID(int=0)).parent.glob("*/pushes"):
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                file.unlink()
