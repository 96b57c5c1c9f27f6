"""Changes that dynos have to follow: stored, settled once, waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from pushd.errors import PushdError
from pushd.kit.aio import Nursery
from pushd.kit.crash import crash_point
from pushd.model.app import App
from pushd.model.change import Change, ChangeState
from pushd.model.release import Release
from pushd.store.store import Store
from pushd.story.verdicts import Verdicts, reason_of


class Changes:
    """Records each change in the store and wakes those who wait for it."""

    def __init__(self, store: Store, verdicts: Verdicts, nursery: Nursery) -> None:
        self._store = store
        self._verdicts = verdicts
        self._nursery = nursery
        self._settled: dict[UUID, asyncio.Event] = {}
        self._unstored: dict[UUID, Change] = {}  # settled while the disk was full

    async def open(self, app: App, release_number: int | None, dynos: Sequence[str] = ()) -> Change:
        """A new change, pending; a restart of these dynos alone, if there are any."""
        change = await self._store.changes.create(app, release_number, dynos)
        self._settled[change.id] = asyncio.Event()
        return change

    async def settle(self, change_id: UUID, reason: str | None, *, release_number: int | None = None) -> None:
        """Say how it ended: `reason` None is success, a text why it failed."""
        state = ChangeState.SUCCEEDED if reason is None else ChangeState.FAILED

        async def write() -> Change:
            change = await self._store.changes.settle(change_id, state, reason=reason or "", release_number=release_number)
            self._unstored.pop(change_id, None)
            return change

        try:
            if await self._verdicts.store(write, what=f"change {change_id}") is None:
                pending = await self._store.changes.find(change_id)
                number = pending.release_number if release_number is None else release_number
                self._unstored[change_id] = replace(pending, state=state, reason=reason or "", release_number=number)
        finally:  # also when it is gone with its app
            if change_id in self._settled:
                self._settled.pop(change_id).set()

    def settle_by(self, change_ids: Sequence[UUID], work: asyncio.Task[Release]) -> None:
        """Settle them in the background as `work` ends."""
        self._nursery.start(self._settle_by(change_ids, work), name=f"settle {work.get_name()}", expected=PushdError)

    async def _settle_by(self, change_ids: Sequence[UUID], work: asyncio.Task[Release]) -> None:
        """Tell those who wait how it ended. Left pending when the daemon stops: the next one settles it."""
        number: int | None = None
        try:
            number, reason = (await asyncio.shield(work)).number, None
        except PushdError as error:
            reason = error.text
        except Exception as error:
            reason = reason_of(error)
        crash_point("change.followed")
        for change_id in change_ids:
            await self.settle(change_id, reason, release_number=number)

    async def wait(self, change_id: UUID, *, within: float) -> Change:
        """The change once it is settled, or as it is after `within` seconds. Raises: NotFound."""
        change = await self._find(change_id)
        if change.state is not ChangeState.PENDING or within <= 0:
            return change
        event = self._settled.setdefault(change_id, asyncio.Event())  # a predecessor's change has none yet
        change = await self._find(change_id)
        if change.state is not ChangeState.PENDING:  # settled before there was the event
            self._settled.pop(change_id, None)
            return change
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), within)
        return await self._find(change_id)

    async def _find(self, change_id: UUID) -> Change:
        return self._unstored.get(change_id) or await self._store.changes.find(change_id)
