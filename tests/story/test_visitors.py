"""What the router is told of an app, pages of other servers included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pushd.kit.fetch import Pages
from pushd.kit.reach import Reach, parse_reach
from pushd.model.app import App
from pushd.story.visitors import Visitors
from tests.story.conftest import Story


class PageHost:
    """Answers every request with one page, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.moved_to = ""
        self.may_answer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        await self.may_answer.wait()
        if self.moved_to:
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {self.moved_to}\r\nContent-Length: 0\r\n\r\n".encode())
            return writer.close()
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


async def test_a_page_of_this_machine_or_its_network_is_fetched_only_if_the_operator_lists_it(
    story: Story, app: App, host: PageHost
) -> None:
    visitors = Visitors(story.store, story.layout, domain="localhost", pages=Pages(story.clock, Reach()))
    host.may_answer.set()

    route = await visitors.route_of(app.id)

    assert (route.maintenance, route.maintenance_page, route.error_page, host.asked) == (True, "", "", 0)


async def test_nor_by_a_redirect(story: Story, app: App, host: PageHost) -> None:
    config = await story.store.config.of(app)
    host.moved_to = config["ERROR_PAGE_URL"]
    await story.deploys.set_config(app, {"MAINTENANCE_PAGE_URL": host.moved_to.replace("127.0.0.1", "localhost")}, story.user)
    await story.deploys.set_config(app, {"ERROR_PAGE_URL": None}, story.user)
    visitors = Visitors(story.store, story.layout, domain="localhost", pages=Pages(story.clock, parse_reach("localhost")))
    host.may_answer.set()

    assert ((await visitors.route_of(app.id)).maintenance_page, host.asked) == ("", 1)


async def test_pages_of_other_servers_are_asked_for_only_where_that_is_wanted(story: Story, app: App, host: PageHost) -> None:
    visitors = Visitors(story.store, story.layout, domain="localhost", pages=Pages(story.clock, parse_reach("127.0.0.1")))

    route = await visitors.route_of(app.id, fetch=False)

    assert (route.maintenance, route.maintenance_page, route.error_page, host.asked) == (True, "", "", 0)
    host.may_answer.set()
    route = await visitors.route_of(app.id)
    assert (route.maintenance_page, route.error_page) == ("a page", "a page")
