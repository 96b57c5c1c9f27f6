"""A real store with an app that is listened to, and a receiver on this machine that keeps what it gets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pushd.kit.clock import Clock
from pushd.kit.reach import parse_reach
from pushd.model.app import App
from pushd.model.user import User
from pushd.model.webhook import Level, Secrets, Webhook
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from pushd.webhooks.courier import Courier

SECRET = "5ecret"


@dataclass
class Receiver:
    """Answers with `codes` in turn, the last one for ever; checks every signature."""

    codes: list[int] = field(default_factory=lambda: [204])
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    answers: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: it takes what comes and is silent

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
        assert request.headers["Heroku-Webhook-Hmac-SHA256"] == signature
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        async with self.arrived:
            self.got.append(json.loads(body))
            self.headers.append(dict(request.headers))
            self.arrived.notify_all()
        await self.answers.wait()
        return web.Response(status=code, headers={"Location": "/elsewhere"})

    async def have(self, count: int) -> list[dict[str, Any]]:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.got) >= count)
        return self.got


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    made.answers.set()
    application = web.Application()
    application.router.add_post("/hooks", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    yield made
    made.answers.set()
    await runner.cleanup()


class Scene:
    """The store, its operator and one app."""

    def __init__(self, store: Store, user: User, app: App, clock: Clock) -> None:
        self.store, self.user, self.app, self.clock = store, user, app, clock

    def courier(self, send_private: str = "127.0.0.1") -> Courier:
        reach = parse_reach(send_private)
        return Courier(self.store.webhook_events, self.store.database.on_write, self.clock, reach)

    async def listen(self, url: str, *include: str, level: Level = Level.SYNC, authorization: str | None = None) -> Webhook:
        secrets = Secrets(SECRET, authorization)
        return await self.store.webhooks.create(
            self.app, url=url, include=include or ("api:app",), level=level, secrets=secrets
        )

    async def toggle(self) -> None:
        """Something happens to the app."""
        self.app = await self.store.apps.set_maintenance(self.app, not self.app.maintenance)

    async def statuses(self) -> list[str]:
        return [each.status.value for each in await self.store.webhook_events.deliveries(self.app)]

    async def until(self, *statuses: str) -> None:
        """Return once the deliveries stand so; every write is a chance."""
        written = asyncio.Event()
        end = self.store.database.on_write(written.set)
        try:
            while await self.statuses() != list(statuses):
                await written.wait()
                written.clear()
        finally:
            end()


@pytest.fixture
async def scene(tmp_path: Path, clock: Clock) -> AsyncIterator[Scene]:
    store = await Store.open(tmp_path / "store", KeyFile(tmp_path / "key"), clock)
    user = await store.users.create_operator("admin@localhost", "a-token")
    yield Scene(store, user, await store.apps.create("blog", user), clock)
    await store.close()
