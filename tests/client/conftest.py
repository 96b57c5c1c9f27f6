"""A fake server, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushd.client.client import Client
from pushd.client.transport import Transport
from tests.client.fake_api import TOKEN, FakeApi, fake_api


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as running:
        yield running


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    made = Client(Transport(api.url, token=TOKEN), sleep=lambda seconds: None)
    yield made
    made.close()
