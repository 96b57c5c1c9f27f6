"""Clones and fetches with the real git, answered by git and by dulwich alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pushd.receiver.pktline import FLUSH, pkt
from tests.receiver.conftest import TOKEN, Git, MakeServer, Server, until
from tests.receiver.wire import basic, post

SIZE_BYTES = 24 << 20  # more than all buffers on the way


@pytest.fixture(params=["auto", "never"])
async def either(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    return await make_server(git_program=request.param)


async def clone(server: Server, git: Git, *options: str) -> Git:
    await git.ok("clone", "-q", *options, server.url, "../copy")
    return Git(git.folder.parent / "copy")


async def test_a_clone_checks_out_what_was_deployed(either: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    commit = await git.commit({"a": "2", "b/c": "3"})
    await git.ok("tag", "-a", "v1", "-m", "one")
    await git.ok("push", either.url, "master", "v1", "master:other")

    copy = await clone(either, git)

    assert await copy.ok("rev-parse", "HEAD") == commit
    assert await copy.ok("symbolic-ref", "HEAD") == "refs/heads/master"
    assert (copy.folder / "b/c").read_text() == "3"
    assert await copy.ok("tag") == "v1"
    await copy.ok("fsck", "--strict")


async def test_a_fetch_brings_what_is_new(either: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", either.url, "master")
    copy = await clone(either, git)
    for number in range(3):
        await git.commit({"a": f"2{number}"})
    commit = await git.commit({"a": "3"})
    await git.ok("push", either.url, "master", "master:feature")

    await copy.ok("pull", "-q", "--ff-only")

    assert await copy.ok("rev-parse", "HEAD") == commit
    assert await copy.ok("rev-parse", "origin/feature") == commit


async def test_a_fetch_with_many_commits_of_its_own(either: Server, git: Git) -> None:
    """Haves go over several requests, and are long enough that git zips them."""
    await git.commit({"a": "1"})
    await git.ok("push", either.url, "master")
    copy = await clone(either, git)
    stream = "".join(
        f"commit refs/heads/mine\ncommitter Ada <a@b.c> {1700000000 + number} +0000\ndata 1\nx"
        + ("\nfrom refs/heads/master" if number == 0 else "")
        + f"\nM 644 inline f\ndata {len(str(number))}\n{number}\n\n"
        for number in range(600)
    )
    await copy.ok("fast-import", "--quiet", stdin=stream.encode())
    commit = await git.commit({"a": "3"})
    await git.ok("push", either.url, "master")
    await copy.ok("fetch", "-q")
    assert await copy.ok("rev-parse", "origin/master") == commit


async def test_an_empty_repository_is_cloned(either: Server, git: Git) -> None:
    copy = await clone(either, git)
    assert (copy.folder / ".git").exists()


async def test_a_shallow_clone(either: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.commit({"a": "2"})
    await git.ok("push", either.url, "master")
    copy = await clone(either, git, "--depth", "1")
    assert await copy.ok("rev-list", "--count", "HEAD") == "1"
    await copy.ok("fetch", "-q", "--unshallow")
    assert await copy.ok("rev-list", "--count", "HEAD") == "2"


async def test_a_remote_without_the_suffix(either: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", either.url.removesuffix(".git"), "master")
    assert "refs/heads/master" in await git.ok("ls-remote", either.url.removesuffix(".git"))


async def test_a_client_that_goes_away_leaves_no_child(either: Server, git: Git) -> None:
    """The check stands in `nothing_left_behind`."""
    await git.commit({f"file{number}": str(number * 12345) * 2000 for number in range(50)})
    await git.ok("push", either.url, "master")
    child = await git.start("clone", "-q", either.url, "../copy")
    child.kill()
    await child.communicate()


@pytest.mark.parametrize("body", [b"0032want 1234567890123456789012345678901234567890\n00000009done\n", b"rubbish", b""])
async def test_a_strange_request_is_no_crash(either: Server, git: Git, body: bytes) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", either.url, "master")
    answer = await post(either, body, service="git-upload-pack", token=TOKEN)
    assert answer.status == 200
    assert "Traceback" not in answer.text


@asynccontextmanager
async def knocking(
    server: Server, body: bytes, *, missing: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Begin a fetch on a connection of its own; so many bytes of its request are still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 12)
    writer.write(
        f"POST /myapp.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\nConnection: close\r\n"
        f"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body[: len(body) - missing]
    )
    await writer.drain()
    try:
        await until(lambda: bool(server.standing._watches))
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def asking_for(commit: str) -> bytes:
    """The request of a clone."""
    return pkt(f"want {commit} side-band-64k thin-pack ofs-delta\n".encode()) + FLUSH + pkt(b"done\n")


async def test_who_loses_the_right_while_the_request_comes_in_gets_nothing(either: Server, git: Git) -> None:
    body = asking_for(await git.commit({"a": "1"}))
    await git.ok("push", either.url, "master")
    async with knocking(either, body, missing=1) as (reader, writer):
        either.users.gone = True  # and nobody has looked again so far
        writer.write(body[-1:])

        answered = await reader.read()

    assert answered.startswith(b"HTTP/1.1 401")
    assert b"PACK" not in answered


async def test_who_loses_the_right_before_the_request_is_in_is_told_at_once(server: Server, git: Git) -> None:
    body = asking_for(await git.commit({"a": "1"}))
    await git.ok("push", server.url, "master")
    async with knocking(server, body, missing=1) as (reader, writer):
        server.end_user()

        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.write(body[-1:])
        await reader.read()


async def test_a_pack_that_is_under_way_ends_with_the_right_to_it(either: Server, git: Git) -> None:
    """Nobody reads here, so that most of it is still to be sent; what ends it is the server."""
    body = asking_for(await git.commit({"noise": os.urandom(SIZE_BYTES)}))
    await git.ok("push", either.url, "master")
    async with knocking(either, body, missing=0) as (reader, _):
        assert (await reader.readuntil(b"PACK")).startswith(b"HTTP/1.1 200")

        either.end_user()
        await until(lambda: not either.standing._watches)

        rest = await reader.read()
    assert len(rest) < SIZE_BYTES
    assert not rest.endswith(b"0\r\n\r\n")  # else git would take it for all
