"""Attached one-off dynos over our own WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from pushd.errors import BootFailed
from pushd.model.terminal import TerminalSize
from tests.api.attached import FakeAttached
from tests.api.conftest import Api, share

SECRET = "0123456789abcdef" * 4
Put = Callable[..., FakeAttached]


@pytest.fixture
async def put(api: Api) -> AsyncIterator[Put]:
    """Lets a dyno wait for the secret."""
    made: list[FakeAttached] = []
    app = await api.create("runs")

    def put(command: str, **options: Any) -> FakeAttached:
        made.append(FakeAttached(command, **options))
        made[-1].user, made[-1].app_id = api.operator, app.id
        api.runs.waiting[SECRET] = made[-1]
        return made[-1]

    yield put
    for attached in made:
        await attached.end()


def connect(api: Api, secret: str = SECRET) -> Any:
    return api.session.ws_connect(f"http://{api.address}/-/runs/{secret}", max_msg_size=0)


async def rest(socket: aiohttp.ClientWebSocketResponse) -> list[bytes | str]:
    """All messages to the end, those of one stream put together."""
    found: list[bytes | str] = []
    async with asyncio.timeout(30):
        async for message in socket:
            last = found[-1] if found else ""
            if isinstance(message.data, bytes) and isinstance(last, bytes) and last[:1] == message.data[:1]:
                found[-1] = last + message.data[1:]
            else:
                found.append(message.data)
    return found


async def test_streams_are_kept_apart_and_the_exit_code_comes_last(api: Api, put: Put) -> None:
    attached = put("echo out; sleep 0.1; echo err >&2; exit 3")

    async with connect(api) as socket:
        assert await rest(socket) == ['{"state": "up"}', b"\x01out\n", b"\x02err\n", '{"exit": 3}']

    assert socket.close_code == 1000
    assert attached.asked == (False, True)
    await asyncio.wait_for(attached.left.wait(), 30)


async def test_any_bytes_come_through_and_input_ends(api: Api, put: Put) -> None:
    put("cat")
    data = os.urandom(3 << 20)

    async with connect(api) as socket:
        reading = asyncio.create_task(rest(socket))
        for start in range(0, len(data), 1 << 19):
            await socket.send_bytes(data[start : start + (1 << 19)])
        await socket.send_json({"end_of_input": True})
        assert await reading == ['{"state": "up"}', b"\x01" + data, '{"exit": 0}']


async def test_a_terminal_follows_the_window(api: Api, put: Put) -> None:
    attached = put("stty size; read line; stty size", size=TerminalSize(111, 33))

    async with connect(api) as socket:
        assert (await socket.receive_json(), await socket.receive_bytes()) == ({"state": "up"}, b"\x0133 111\r\n")
        await socket.send_json({"resize": {"columns": 50, "lines": 10}})
        await socket.send_bytes(b"\n")
        assert await rest(socket) == [b"\x01\r\n10 50\r\n", '{"exit": 0}']

    assert attached.resized == [TerminalSize(50, 10)]


async def test_end_of_input_reaches_a_terminal_in_the_middle_of_a_line(api: Api, put: Put) -> None:
    put("cat", size=TerminalSize())

    async with connect(api) as socket:
        await socket.send_bytes(b"half")
        await socket.send_json({"end_of_input": True})
        assert (await rest(socket))[-1] == '{"exit": 0}'


async def test_signals(api: Api, put: Put) -> None:
    attached = put("exec sleep 600")

    async with connect(api) as socket:
        await socket.receive_json()
        await socket.send_json({"signal": "TERM"})
        assert await rest(socket) == ['{"exit": 143}']

    assert attached.signals == [15]


@pytest.mark.parametrize("text", [
    "", "x", "[]", "null", "{}", '{"signal": "KILL"}', '{"signal": 9}', '{"end_of_input": false}', '{"hello": 1}',
    '{"resize": {"columns": "80", "lines": 24}}', '{"resize": {"columns": 80, "lines": -1}}', "[" * 100_000,
    '{"resize": {"columns": 1000000000, "lines": 24}}', '{"resize": {"columns": 80}}',
])  # fmt: skip
async def test_a_message_that_is_not_understood_ends_the_run(api: Api, put: Put, text: str) -> None:
    attached = put("exec sleep 600")

    async with connect(api) as socket:
        await socket.send_str(text)
        await rest(socket)

    assert socket.close_code == 1003
    await asyncio.wait_for(attached.left.wait(), 30)


async def test_what_cannot_start_says_why(api: Api, put: Put) -> None:
    put("true", refuses=BootFailed("Cannot start run.1.", remedy="Look for room."))

    async with connect(api) as socket:
        assert await rest(socket) == ['{"error": {"id": "boot_failed", "message": "Cannot start run.1.\\nLook for room."}}']

    assert socket.close_code == 1000


async def test_a_secret_holds_once_and_only_for_a_websocket(api: Api, put: Put) -> None:
    put("exec cat")

    plain = await api.request("GET", f"/-/runs/{SECRET}", token=None)
    async with connect(api) as socket:
        await socket.receive_json()
        for secret in (SECRET, "0" * 64, "x"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await connect(api, secret)
            assert refused.value.status == 404

    assert (plain.status, plain.json["id"]) == (400, "bad_request")


async def test_a_client_that_vanishes_is_noticed(api: Api, put: Put) -> None:
    attached = put("exec sleep 600")
    socket = await connect(api)
    await socket.receive_json()

    await socket.close()

    await asyncio.wait_for(attached.left.wait(), 30)


async def test_a_client_that_does_not_read_holds_the_program_up_and_not_us(api: Api, put: Put) -> None:
    put("head -c 10000000 /dev/zero; echo done >&2")

    async with connect(api) as socket:
        await socket.receive_json()
        found = await rest(socket)

    assert sum(len(each) - 1 for each in found if isinstance(each, bytes) and each[0] == 1) == 10_000_000
    assert found[-1] == '{"exit": 0}'


async def test_silence_for_too_long_ends_it(api: Api, put: Put) -> None:
    attached = put("exec sleep 600")

    async with connect(api) as socket:
        await socket.receive_json()
        attached.too_quiet.set()
        assert await rest(socket) == []

    await asyncio.wait_for(attached.left.wait(), 30)


async def test_the_end_of_the_server_ends_it(api: Api, put: Put) -> None:
    attached = put("exec sleep 600")

    async with connect(api) as socket:
        await socket.receive_json()
        stopping = asyncio.create_task(api.server.stop())
        assert await rest(socket) == []
        await stopping

    assert socket.close_code == 1001
    await asyncio.wait_for(attached.left.wait(), 30)


async def test_a_client_that_is_gone_before_it_was_answered_is_no_failure_of_ours(
    api: Api, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    attached = put("echo never")
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + "A" * 22 + "=="

    _, writer = await asyncio.open_connection(*api.address.rsplit(":", 1))
    writer.write(f"GET /-/runs/{SECRET} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n\r\n".encode())
    await writer.drain()
    writer.transport.abort()

    async with asyncio.timeout(30):
        await attached.left.wait()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_who_loses_the_app_loses_the_terminal(api: Api, put: Put) -> None:
    attached = put("cat", size=TerminalSize(80, 24))
    attached.user = await share(api, "runs")
    async with connect(api) as socket:
        assert await socket.receive_json() == {"state": "up"}

        assert (await api.request("DELETE", "/apps/runs/collaborators/ada@example.com")).status == 200

        (told,) = await rest(socket)
        assert json.loads(told)["error"]["message"].startswith("You have lost access to this app.")
        await attached.left.wait()


async def test_who_has_lost_the_app_starts_nothing(api: Api, put: Put) -> None:
    attached = put("echo out")
    attached.user = await share(api, "runs")
    await api.request("DELETE", "/apps/runs/collaborators/ada@example.com")

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect(api)

    assert caught.value.status == 404
    assert attached.asked is None
    assert attached.left.is_set()
