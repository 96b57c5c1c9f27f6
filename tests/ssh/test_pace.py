"""Both ways the slower side sets the pace: nobody fills the daemon's memory by sending, or by not reading."""

from __future__ import annotations

from pushd.model.user import User
from pushd.ssh.channel import Channel
from tests.ssh.conftest import Door, until

WINDOW = 1 << 21  # of ours, asyncssh's default
MUCH = 40_000_000


class Reader:
    """A git that reads when it is told to."""

    def __init__(self) -> None:
        self.channel: Channel

    async def __call__(self, user: User, service: str, app: str, channel: Channel) -> int:
        self.channel = channel
        await channel.gone()
        return 0


async def test_what_is_sent_and_not_read_waits_with_the_client(door: Door) -> None:
    reader = Reader()
    door.server._git = reader
    async with door.connect() as client:
        process = await client.create_process("git-upload-pack x", encoding=None)
        process.stdin.write(bytes(MUCH))
        read = 0
        for _ in range(6):
            await until(lambda: process.channel._send_window == 0)  # the client may send no more
            left = process.channel.get_write_buffer_size()
            assert MUCH - left - read <= 2 * WINDOW
            read += len(await reader.channel.read())
        assert read


async def test_what_the_client_does_not_read_is_not_made(door: Door) -> None:
    async with door.connect() as client:
        process = await client.create_process("yes", encoding=None, window=1 << 30)
        process.channel.pause_reading()
        assert client._transport is not None
        client._transport.pause_reading()
        (connection,) = door.server._known
        await until(lambda: not connection.can_write.is_set())
        for _ in range(1000):
            await until(lambda: True)
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < WINDOW

        client._transport.resume_reading()
        assert (await door("echo", "in")).out == "in\n"


async def test_a_session_that_is_closed_with_its_input_unread_is_over(door: Door) -> None:
    reader = Reader()
    door.server._git = reader
    async with door.connect() as client:
        process = await client.create_process("git-upload-pack x", encoding=None)
        process.stdin.write(bytes(MUCH))
        await until(lambda: process.channel._send_window == 0)
        process.channel.abort()
        await process.wait_closed()
        await until(lambda: not door.server._sessions._tasks)
