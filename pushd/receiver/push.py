"""The story of one push: take its pack into quarantine, check it, deploy the commit, then move the refs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Commit, ObjectID

from pushd.errors import DiskFull, PushdError
from pushd.kit.aio import in_thread
from pushd.kit.crash import crash_point
from pushd.kit.transcript import Transcript, complaint
from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.model.user import User
from pushd.receiver import policy
from pushd.receiver.commands import Command, PushRequest
from pushd.receiver.deploying import OUR_BUG, Deployment, try_deploy
from pushd.receiver.needs import Deploys
from pushd.receiver.objects import descends, open_store
from pushd.receiver.pack import IncomingPack
from pushd.receiver.pktline import Read
from pushd.receiver.policy import PushOptions, Verdict
from pushd.receiver.progress import Report, one_line, refused, short_reason
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repositories import FetchFirst, Repository
from pushd.receiver.room import check_room, explaining_full_disk
from pushd.receiver.survey import PackRefused

log = logging.getLogger(__name__)

DRAIN_LIMIT_BYTES = 4_000_000_000  # read and dropped after a refusal: git reads our answer when it has sent everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a push happens, and who plays along."""

    app: App
    user: User
    settings: AppSettings
    repository: Repository
    quarantine: Quarantine
    transcript: Transcript
    deploys: Deploys
    order: Order
    reserve_bytes: int  # of disk, to be left free
    reserve_files: int


class Order:
    """Pushes to one repository take turns: refs move one push at a time, and a deploy sees what those before it moved."""

    def __init__(self) -> None:
        self.moving = asyncio.Lock()
        self._last: asyncio.Event | None = None

    async def follow(self, settled: asyncio.Event) -> None:
        """The deploy that sets `settled` at its end begins now: wait until the one before it has moved its ref, or failed."""
        last, self._last = self._last, settled
        if last is not None and last is not settled:
            await last.wait()


class Push:
    """One push. `take` its pack, then `settle` it; `discard` at the end, or whenever it goes no further."""

    def __init__(self, scene: Scene, request: PushRequest, pack: IncomingPack) -> None:
        self._scene = scene
        self._request = request
        self._pack = pack
        self._options = PushOptions()
        self._refusal: Report | None = None
        self._settled = asyncio.Event()

    async def take(self, read: Read) -> None:
        """Read the pack to its end; what is refused here is read to its end too, and `settle` says why.

        Raises: whatever `read` raises when the client goes away.
        """
        try:
            self._options = self._check_request()
            while self._request.has_pack and (data := await read()):
                await self._pack.feed(data)
        except (PushdError, PackRefused) as error:
            self._refuse(error)
            dropped = 0
            while (data := await read()) and dropped < DRAIN_LIMIT_BYTES:
                dropped += len(data)

    async def settle(self) -> Report:
        """Check, deploy, move the refs, and tell how it ended. Whoever pushes need not be there any more."""
        try:
            with explaining_full_disk():
                if self._refusal is None and self._request.has_pack:
                    await self._pack.finish()
                    crash_point("push.quarantined")
                return self._refusal or await self._carry_out()
        except (PushdError, PackRefused) as error:
            return self._refuse(error)
        except Exception:
            if not self._scene.repository.folder.exists():
                return refused(self._refs, "the app was destroyed meanwhile")
            log.exception("push failed", extra={"app": self._scene.app.name})
            return refused(self._refs, OUR_BUG)
        finally:
            self._settled.set()

    async def discard(self) -> None:
        """End what still runs for this push, drop what was not accepted, close the output. Fine to call twice."""
        try:
            await self._pack.close()
            await in_thread(self._scene.quarantine.remove)
        finally:
            self._scene.transcript.close()

    @property
    def _refs(self) -> Sequence[str]:
        return [command.ref for command in self._request.commands]

    def _check_request(self) -> PushOptions:
        check_room(self._scene.repository.folder, self._scene.reserve_bytes, self._scene.reserve_files)
        if self._request.is_shallow:
            raise PushdError(
                "shallow update not allowed: this clone holds only the newest part of the history.",
                remedy="Run `git fetch --unshallow` from where you cloned it, then push again.",
            )
        return policy.parse_options(self._request.options)

    def _refuse(self, error: PushdError | PackRefused) -> Report:
        if isinstance(error, PackRefused):
            self._scene.transcript.say(complaint(f"Your push was not stored: {error}.\n{error.remedy}"))
            self._refusal = refused(self._refs, "unpacker error", unpack=one_line(str(error)))
        else:
            self._scene.transcript.say(complaint(error.text))
            self._refusal = refused(self._refs, short_reason(error))
        return self._refusal

    async def _carry_out(self) -> Report:
        verdicts = await in_thread(self._judge)
        verdicts = self._all_or_each([await self._deploy(verdict) for verdict in self._all_or_each(verdicts)])
        async with self._scene.order.moving:
            verdicts = await self._move_all(verdicts)
        return Report(refs={verdict.command.ref: one_line(verdict.refusal, "") for verdict in verdicts})

    def _all_or_each(self, verdicts: list[Verdict]) -> list[Verdict]:
        return policy.all_or_nothing(verdicts) if "atomic" in self._request.capabilities else verdicts

    def _judge(self) -> list[Verdict]:
        """Blocks."""
        head = self._scene.repository.head()
        with open_store(self._scene.quarantine.objects) as store:
            faults = {command.ref: fault for command in self._request.commands if (fault := _fault(command, store))}
            rewrites = set()
            if self._scene.settings["force-push"] == "refuse":
                rewrites = find_rewrites((each for each in self._request.commands if each.ref not in faults), store)
        return policy.plan_push(
            self._request.commands, self._scene.settings, self._options, head=head, rewrites=rewrites, faults=faults
        )

    async def _deploy(self, verdict: Verdict) -> Verdict:
        if not verdict.deploys:
            return verdict
        wanted = Deployment(
            app=self._scene.app,
            user=self._scene.user,
            commit=verdict.command.new,
            branch=str(verdict.command.branch),
            objects=(self._scene.quarantine.objects,),
            no_cache=self._options.no_cache,
            guard=partial(self._on_turn, verdict.command),
        )
        return replace(verdict, refusal=await try_deploy(self._scene.deploys, wanted, self._scene.transcript))

    async def _on_turn(self, command: Command) -> None:
        """The pushes before this one are done, and may have moved the branch. Raises: FetchFirst."""
        await self._scene.order.follow(self._settled)
        await in_thread(self._check_movable, command)

    def _check_movable(self, command: Command) -> None:
        """Raises: FetchFirst. Blocks."""
        with open_store(self._scene.quarantine.objects) as store:
            self._scene.repository.check_movable(command, store)

    async def _move_all(self, verdicts: list[Verdict]) -> list[Verdict]:
        try:
            with explaining_full_disk():
                return await in_thread(self._move, verdicts)
        except DiskFull as error:
            if not any(verdict.deploys and not verdict.refusal for verdict in verdicts):
                raise
            raise DiskFull(
                "The new version is live, but the disk of the server is full: the branch could not be moved.",
                remedy="Make room there, then push again.",
            ) from error

    def _move(self, verdicts: list[Verdict]) -> list[Verdict]:
        """Let the objects in, then move each accepted ref. Blocks."""
        repository = self._scene.repository
        current: dict[str, str] = {}
        with open_store(self._scene.quarantine.objects) as store:
            for index, verdict in enumerate(verdicts):
                if not verdict.refusal:
                    try:
                        current[verdict.command.ref] = repository.check_movable(verdict.command, store)
                    except FetchFirst as error:
                        live = "\nThe new version is live all the same." if verdict.deploys else ""
                        self._scene.transcript.say(complaint(error.text + live))
                        verdicts[index] = replace(verdict, refusal=short_reason(error))
        verdicts = self._all_or_each(verdicts)
        if any(not verdict.refusal for verdict in verdicts):
            self._scene.quarantine.accept()
            crash_point("push.accepted")
        return [self._move_one(each, current[each.command.ref]) if not each.refusal else each for each in verdicts]

    def _move_one(self, verdict: Verdict, current: str) -> Verdict:
        repository, settings, command = self._scene.repository, self._scene.settings, verdict.command
        if reason := repository.move(command, current):
            return replace(verdict, refusal=reason)
        crash_point("push.ref-moved")
        if command.branch in policy.deploy_branches(settings) and not command.is_delete:
            repository.set_head(str(command.branch))
        if not verdict.deploys:
            self._scene.transcript.say(policy.how_to_deploy(command, settings, head=repository.head()))
        return verdict


def _fault(command: Command, store: BaseObjectStore) -> str:
    """Why a ref cannot have its new value, whatever the policy; "" if it can."""
    if command.is_delete:
        return ""
    try:
        found = store[ObjectID(command.new.encode())]
    except KeyError:
        return "missing necessary objects"
    if command.branch is not None and not isinstance(found, Commit):
        return "a branch must name a commit"
    return ""


def find_rewrites(commands: Iterable[Command], store: BaseObjectStore) -> set[str]:
    """The refs whose new value does not descend from the old one. Blocks."""
    moved = (each for each in commands if not (each.is_create or each.is_delete))
    return {each.ref for each in moved if not descends(store, each.new, each.old)}
