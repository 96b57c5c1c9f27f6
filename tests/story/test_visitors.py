"""What the router is told of an app, pages of other servers included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pushd.kit.fetch import Pages
from pushd.model.app import App
from pushd.story.visitors import Visitors
from tests.story.conftest import Story


class PageHost:
    """Answers every request with one page, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        await self.may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\na page")
        writer.close()


@pytest.fixture
async def host(story: Story, app: App) -> AsyncIterator[PageHost]:
    """It has the pages of the app, which is in maintenance."""
    host = PageHost()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await story.deploys.set_config(app, {"ERROR_PAGE_URL": url + "error", "MAINTENANCE_PAGE_URL": url + "away"}, story.user)
    await story.apps.set_maintenance(app, True, story.user)
    yield host
    server.close()


async def test_pages_of_other_servers_are_asked_for_only_where_that_is_wanted(story: Story, app: App, host: PageHost) -> None:
    visitors = Visitors(story.store, story.layout, domain="localhost", pages=Pages(story.clock))

    route = await visitors.route_of(app.id, fetch=False)

    assert (route.maintenance, route.maintenance_page, route.error_page, host.asked) == (True, "", "", 0)
    host.may_answer.set()
    route = await visitors.route_of(app.id)
    assert (route.maintenance_page, route.error_page) == ("a page", "a page")
