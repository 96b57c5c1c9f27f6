"""A real store in a folder of its own, with its operator and one app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushd.model.app import App
from pushd.model.user import User
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from tests.fakes import FakeClock

ADMIN_TOKEN = "pushd-the-token-of-the-operator-0123456789"


async def open_store(folder: Path, clock: FakeClock | None = None) -> Store:
    return await Store.open(folder / "pushd.sqlite3", KeyFile(folder / "secret.key"), clock or FakeClock())


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path, clock)
    yield opened
    await opened.close()


@pytest.fixture
async def operator(store: Store) -> User:
    return await store.users.create_operator("admin@localhost", ADMIN_TOKEN)


@pytest.fixture
async def app(store: Store, operator: User) -> App:
    return await store.apps.create("blog", operator)
