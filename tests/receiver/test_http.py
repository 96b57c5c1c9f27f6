"""Requests that no git sends, and those at its edges."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator

import pytest

from pushd.kit.crowd import Crowd
from pushd.receiver.commands import ZERO
from tests.receiver.conftest import STRANGERS_TOKEN, TOKEN, Git, MakeServer, Server, until
from tests.receiver.wire import Raw, basic, blob, commit, id_of, knocking, pack, parse_answer, post, push_body, tree

FILE = blob(b"hello\n")
TREE = tree((b"100644", b"hello", FILE))
COMMIT = commit(TREE)
OBJECTS: list[Raw] = [FILE, TREE, COMMIT]
CREATE = (ZERO, id_of(COMMIT), "refs/heads/master")
BODY = push_body([CREATE], pack(OBJECTS))


@pytest.mark.parametrize("token", ["wrong", ""])
async def test_a_wrong_token(server: Server, git: Git, token: str) -> None:
    await git.commit({"a": "1"})
    ran = await git("push", server.url.replace(TOKEN, token or "x"), "master")
    assert ran.code == 128
    assert "Authentication failed" in ran.err
    for method, path in [
        ("GET", "info/refs?service=git-receive-pack"),
        ("POST", "git-receive-pack"),
        ("POST", "git-upload-pack"),
    ]:
        async with knocking(token) as session:
            async with session.request(method, f"http://127.0.0.1:{server.port}/myapp.git/{path}") as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith('Basic realm="pushd"')
    assert not server.repository.folder.exists()


async def test_an_unknown_app(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    ran = await git("push", server.url.replace("myapp", "noapp"), "master")
    assert ran.code == 128
    assert "not found" in ran.err
    async with knocking() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/noapp.git/info/refs?service=git-upload-pack") as response:
            assert (response.status, response.content_type) == (404, "text/plain")
            assert "pushd create" in await response.text()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "info/refs?service=git-receive-pack"), ("GET", "info/refs?service=git-upload-pack"), ("POST", "git-receive-pack"),
     ("POST", "git-upload-pack")],
)  # fmt: skip
async def test_an_app_of_others_looks_as_one_that_is_not_there(server: Server, method: str, path: str) -> None:
    answers = []
    for app in ("myapp", "noapp"):
        async with knocking(STRANGERS_TOKEN) as session:
            async with session.request(method, f"http://127.0.0.1:{server.port}/{app}.git/{path}") as response:
                heads = {name: text for name, text in response.headers.items() if name != "Date"}
                answers.append((response.status, heads, await response.read()))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert not server.repository.folder.exists()


async def test_the_dumb_protocol_is_refused(server: Server) -> None:
    async with knocking() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/myapp.git/info/refs") as response:
            assert response.status == 400
            assert "smart HTTP" in await response.text()


async def test_a_body_of_another_kind_is_refused(server: Server) -> None:
    answer = await post(server, BODY, headers={"Content-Type": "text/html"})
    assert answer.status == 400


async def test_the_probe_of_git_gets_an_empty_answer(server: Server) -> None:
    assert (await post(server, b"0000")).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"00",
        b"zzzz",
        b"0003",
        b"00ffshort",
        push_body([("1" * 39, id_of(COMMIT), "refs/heads/master")]),
        push_body([(ZERO, ZERO, "refs/heads/master")]),
        push_body([CREATE, CREATE]),
        push_body([CREATE], capabilities="report-status push-options", options=["x" * 1001]),
        push_body([CREATE], capabilities="report-status push-options", options=["x"] * 65),
        b"001fpush-cert is not offered yet" + b"0000",
    ],
)
async def test_what_is_not_the_protocol(server: Server, body: bytes) -> None:
    answer = await post(server, body)
    assert answer.status == 400
    assert answer.text.strip()
    assert "Traceback" not in answer.text
    assert await server.refs() == {}
    await server.assert_clean() if server.repository.folder.exists() else None


async def test_a_push_by_hand(server: Server) -> None:
    answer = await post(server, BODY)
    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    assert "-----> Done" in answer.text


async def test_a_client_without_side_band_gets_the_report_alone(server: Server) -> None:
    answer = await post(server, push_body([CREATE], pack(OBJECTS), capabilities="report-status"))
    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    assert answer.text == ""


@pytest.mark.parametrize("unzips", [True, False], ids=["aiohttp unzips", "we unzip"])
async def test_a_zipped_body(make_server: MakeServer, unzips: bool) -> None:
    server = await make_server(auto_decompress=unzips)
    answer = await post(server, gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    assert answer.report == ["unpack ok", "ok refs/heads/master"]


@pytest.mark.parametrize("unzips", [True, False], ids=["aiohttp unzips", "we unzip"])
@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(BODY)[:-20],
        b"\x1f\x8b" + b"broken" * 20,
        gzip.compress(BODY) + b"more",
        gzip.compress(b"zzzz" + bytes(1 << 26)),
    ],
    ids=["cut off", "broken", "followed", "bomb"],
)
async def test_a_broken_zipped_body(make_server: MakeServer, unzips: bool, body: bytes) -> None:
    server = await make_server(auto_decompress=unzips)
    answer = await post(server, body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400 or answer.report[0].startswith("unpack the pack is truncated")
    assert await server.refs() == {}
    if server.repository.folder.exists():
        await server.assert_clean()


async def test_a_zip_bomb_ends_at_the_pack_limit(server: Server) -> None:
    server.set(pack_limit_mb="1")
    zipper = zlib.compressobj(wbits=31)

    async def bomb() -> AsyncIterator[bytes]:
        yield zipper.compress(push_body([CREATE], b"PACK"))
        for _ in range(50):
            yield zipper.compress(bytes(1_000_000)) or b""
        yield zipper.flush()

    answer = await post(server, bomb(), headers={"Content-Encoding": "gzip"})
    assert answer.report == [
        "unpack the pack is larger than 1 MB",
        "ng refs/heads/master unpacker error",
    ]
    await server.assert_clean()


async def test_a_zip_bomb_leaves_the_loop_to_others(make_server: MakeServer) -> None:
    server = await make_server(auto_decompress=False)
    body = gzip.compress(push_body([CREATE], b"JUNK") + bytes(1 << 28))
    longest = 0.0

    async def take_turns() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    others = asyncio.create_task(take_turns())
    answer = await post(server, body, headers={"Content-Encoding": "gzip"})
    others.cancel()
    assert answer.report[0].startswith("unpack ")
    assert longest < 0.05  # a piece takes 0.0002 s, and there are thousands


async def test_pushes_that_say_nothing_more_are_bounded_with_the_other_connections_of_a_user(server: Server) -> None:
    server.strangers.users = Crowd(per_source=2, at_most=10)
    head = "POST /myapp.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    head += f"Authorization: {basic(TOKEN)}\r\nContent-Type: application/x-git-receive-pack-request\r\n\r\n"
    pushes = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    ends = [asyncio.create_task(reader.read()) for reader, _ in pushes]
    for _, writer in pushes:
        writer.write(head.encode())

    ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    assert [each.result() for each in ended] == [b""]
    assert len(server.strangers.users) == 2
    for _, writer in pushes:
        writer.close()
    await asyncio.gather(*ends)


async def test_expect_100_continue(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST /myapp.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nExpect: 100-continue\r\nConnection: close\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")
    writer.write(BODY)
    answer = await reader.read()
    assert b"HTTP/1.1 200" in answer
    assert b"ok refs/heads/master" in answer
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("program", ["auto", "never"])
@pytest.mark.parametrize("above", [0, 1_000_000])
async def test_a_client_that_goes_away_while_it_sends_leaves_nothing(make_server: MakeServer, program: str, above: int) -> None:
    server = await make_server(git_program=program, git_index_above_bytes=above)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST /myapp.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\n"
        f"Content-Length: {len(BODY) + 1000}\r\n\r\n".encode()
        + BODY
    )
    await writer.drain()
    await until(lambda: bool(server.leftovers()))
    writer.transport.abort()
    await until(lambda: not server.leftovers())
    assert await server.refs() == {}
    assert server.deploys.done == []
    await server.assert_clean()


async def test_who_loses_the_right_while_the_pack_comes_in_moves_nothing(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST /myapp.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\nConnection: close\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n".encode()
        + BODY[:-10]
    )
    await writer.drain()
    await until(lambda: bool(server.leftovers()))
    server.users.gone = True
    writer.write(BODY[-10:])

    assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()
    assert await server.refs() == {}
    assert server.deploys.done == []
    await server.assert_clean()
    assert [": refused: " in entry for entry in server.audit.entries] == [True]


async def test_a_client_that_goes_away_with_its_pack_leaves_an_end_in_the_audit_trail(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST /myapp.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\nConnection: close\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n".encode()
        + BODY[:-10]
    )
    await writer.drain()
    await until(lambda: bool(server.leftovers()))

    writer.close()
    await writer.wait_closed()
    await until(lambda: ": refused: " in server.audit.entries[0])

    assert server.audit.entries[0].endswith(" refs/heads/master")
    await server.assert_clean()


async def test_keep_alive_is_an_empty_packet(make_server: MakeServer) -> None:
    server = await make_server(build_keepalive_seconds=0.001)
    go_on = asyncio.Event()

    async def script(transcript: object) -> None:
        await go_on.wait()

    server.deploys.script = script
    async with knocking() as session:
        headers = {"Content-Type": "application/x-git-receive-pack-request"}
        url = f"http://127.0.0.1:{server.port}/myapp.git/git-receive-pack"
        async with session.post(url, data=BODY, headers=headers) as response:
            read = b""
            while b"0005\x02" not in read:
                read += await response.content.readany()
            go_on.set()
            read += await response.read()
    answer = parse_answer(200, read)
    assert answer.text == "-----> Building\n-----> Done\n"
    assert answer.report == ["unpack ok", "ok refs/heads/master"]
