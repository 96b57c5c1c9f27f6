"""One file over HTTP, from a server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pushd.kit.download import download
from pushd.kit.fetch import CannotFetch
from pushd.kit.reach import Reach, parse_reach

HERE = parse_reach("127.0.0.1")


async def answer(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/file":
            return web.Response(body=b"x" * 3_000_000)
        case "/moved":
            raise web.HTTPFound("/file")
        case "/round":
            raise web.HTTPFound("/round")
        case "/inside":
            raise web.HTTPFound("http://127.0.0.2:9/secret")
        case "/other":
            raise web.HTTPFound("file:///etc/passwd")
    return web.Response(status=404)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as running:
        yield str(running.make_url("")).rstrip("/")


async def get(url: str, into: Path, *, limit_bytes: int = 10_000_000, reach: Reach = HERE) -> bytes:
    await download(url, into, limit_bytes=limit_bytes, within=20, reach=reach)
    return await asyncio.to_thread(into.read_bytes)


async def test_a_file_comes_also_by_a_redirect(server: str, tmp_path: Path) -> None:
    assert len(await get(f"{server}/file", tmp_path / "one")) == 3_000_000
    assert len(await get(f"{server}/moved", tmp_path / "two")) == 3_000_000


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/none", "status 404"),
        ("/round", "redirects more than 5 times"),
        ("/inside", "127.0.0.2 is no public address"),
        ("/other", "something other than http"),
    ],
)
async def test_what_cannot_be_had_is_told(server: str, tmp_path: Path, path: str, told: str) -> None:
    with pytest.raises(CannotFetch, match=told):
        await get(server + path, tmp_path / "file")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "１２７.0.0.1", "127。0。0。1", "127%2e0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"]
)
@pytest.mark.parametrize("reach", ["", "elsewhere.example,10.0.0.0/8"])
async def test_an_address_is_judged_however_it_is_written(server: str, tmp_path: Path, host: str, reach: str) -> None:
    with pytest.raises(CannotFetch):
        await get(server.replace("127.0.0.1", host) + "/file", tmp_path / "file", reach=parse_reach(reach))


async def test_a_name_that_is_listed_reaches_where_its_address_alone_would_not(server: str, tmp_path: Path) -> None:
    there = server.replace("127.0.0.1", "localhost")
    assert len(await get(f"{there}/file", tmp_path / "file", reach=parse_reach("localhost"))) == 3_000_000


async def test_more_than_the_limit_is_not_taken(server: str, tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="larger than 2000000 bytes"):
        await get(f"{server}/file", tmp_path / "file", limit_bytes=2_000_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_this_machine_is_out_of_reach_however_it_is_written(server: str, tmp_path: Path, host: str) -> None:
    port = server.rpartition(":")[2]
    with pytest.raises(CannotFetch, match=r"no public address|no connection|no proper answer"):
        await get(f"http://{host}:{port}/file", tmp_path / "file", reach=Reach())
    assert not (tmp_path / "file").exists()
