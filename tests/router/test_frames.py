"""The wire between daemon and router: frames whole and in order, sockets with the frame they belong to."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pushd.router.frames import Channel, Message, listen_at


class End:
    """One end of a pair, and what it heard."""

    def __init__(self, connection: socket.socket) -> None:
        self.channel = Channel(connection)
        self.heard: asyncio.Queue[tuple[Message, list[socket.socket]]] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.channel.on_message = lambda message, sockets: self.heard.put_nowait((message, sockets))
        self.channel.on_closed = self.closed.set


@pytest.fixture
async def ends() -> tuple[End, End]:
    one, other = socket.socketpair()
    return End(one), End(other)


async def test_messages_of_any_size_arrive_in_order(ends: tuple[End, End]) -> None:
    one, other = ends
    sizes = [0, 1, 100_000, 5_000_000, 3, 2_000_000]
    for size in sizes:
        one.channel.send({"type": "table", "page": "ä" * size})
    assert one.channel.backlog_bytes > 0  # the pipe is full, and nobody waited
    for size in sizes:
        message, _ = await other.heard.get()
        assert message["page"] == "ä" * size
    assert one.channel.backlog_bytes == 0
    one.channel.close()
    await other.closed.wait()


async def test_sockets_come_with_their_frame(ends: tuple[End, End]) -> None:
    one, other = ends
    given = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    one.channel.send({"type": "fill", "page": "x" * 3_000_000})
    one.channel.send({"type": "listen"}, given[:2])
    one.channel.send({"type": "table"})
    one.channel.send({"type": "listen"}, given[2:])
    names = [each.getsockname() for each in given]
    for each in given:
        each.close()  # those under way are copies
    heard = [await other.heard.get() for _ in range(4)]
    assert [[each.getsockname() for each in sockets] for _, sockets in heard] == [[], names[:2], [], names[2:]]
    for each in (each for _, sockets in heard for each in sockets):
        assert not os.get_inheritable(each.fileno())
        each.close()
    one.channel.close()
    await other.closed.wait()


@pytest.mark.parametrize(
    "raw",
    [b"\xff\xff\xff\xff", b"\0\0\0\2{]", b"\0\0\0\2[]", b"\0\0\0\2{}", b'\0\0\0\x0d{"sockets":1}', b"GET / HTTP/1.1\r\n\r\n"],
)
async def test_what_is_not_our_protocol_ends_the_connection(raw: bytes) -> None:
    one, other = socket.socketpair()
    end = End(other)
    one.sendall(raw)
    await end.closed.wait()
    one.close()


async def test_sending_to_an_end_that_is_gone_closes_and_does_not_raise(ends: tuple[End, End]) -> None:
    one, other = ends
    other.channel.close()
    one.channel.send({"type": "table", "page": "x" * 1_000_000})
    await one.closed.wait()
    one.channel.send({"type": "table"})


async def test_the_control_socket_replaces_what_was_there(tmp_path: Path) -> None:
    path = str(tmp_path / ("long" * 30) / "router.sock")
    os.mkdir(os.path.dirname(path))
    first = listen_at(path)
    second = listen_at(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(os.path.dirname(path)) == ["router.sock"]
    first.close()
    second.close()
