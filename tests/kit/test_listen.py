"""Listening sockets: addresses, deep Unix paths, inheritance, and the first byte of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import uvloop

from pushd.api.certificate import Certificate
from pushd.kit.crowd import Crowd
from pushd.kit.listen import Listener, bind, inherited_sockets, is_of_this_machine, parse_address, short_path, shown_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5000", ("127.0.0.1", 5000)),
        ("[::1]:0", ("::1", 0)),
        ("example.com:80", ("example.com", 80)),
        ("unix:/run/a b.sock", Path("/run/a b.sock")),
    ],
)
def test_addresses_are_read(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "5000", "localhost", ":5000", "a:b", "a:65536", "a:-1", "a:٣", "unix:relative"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port or unix:/path"):
        parse_address(text)


def test_a_deep_unix_path_is_bound_and_a_stale_one_replaced(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    path = folder / "api.sock"

    bind(f"unix:{path}").close()  # leaves its file, as a killed daemon does
    with contextlib.closing(bind(f"unix:{path}")):
        assert path.stat().st_mode & 0o777 == 0o660
        with short_path(path) as name, socket.socket(socket.AF_UNIX) as client:
            client.connect(name)
        with pytest.raises(OSError, match="another process listens there"):
            bind(f"unix:{path}")


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")

    with pytest.raises(OSError, match="not a socket"):
        bind(f"unix:{path}")
    assert path.read_text() == "data"


def test_port_0_becomes_a_free_one_that_is_shown() -> None:
    with contextlib.closing(bind("127.0.0.1:0")) as first, contextlib.closing(bind("[::1]:0")) as second:
        assert parse_address(shown_address(first)) == first.getsockname()
        assert shown_address(second).startswith("[::1]:")
        with pytest.raises(OSError, match="in use"):
            bind(shown_address(first))


INHERITS = """
import os, sys
from pushd.kit.listen import inherited_sockets
os.dup2(int(sys.argv[1]), 3)
found = inherited_sockets(dict(os.environ, LISTEN_PID=sys.argv[2] or str(os.getpid())), pid=os.getpid())
print([(name, each.getsockname()[1], each.getblocking(), each.get_inheritable()) for name, each in found])
"""


@pytest.mark.parametrize("for_us", [True, False])
def test_sockets_handed_over_by_systemd_are_taken_if_they_are_for_us(for_us: bool) -> None:
    pid = "" if for_us else "1"
    with contextlib.closing(bind("127.0.0.1:0")) as listening:
        result = subprocess.run(
            [sys.executable, "-c", INHERITS, str(listening.fileno()), pid],
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "api"},
            pass_fds=(listening.fileno(),), capture_output=True, text=True, check=True,
        )  # fmt: skip
        port = listening.getsockname()[1]

    assert result.stdout.strip() == (f"[('api', {port}, False, False)]" if for_us else "[]")


def test_without_systemd_there_is_nothing_to_inherit() -> None:
    for environ in ({}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}):
        assert inherited_sockets(environ, pid=os.getpid()) == ()


class Echo(asyncio.Protocol):
    """Says by which way a connection came, and what it said."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.closed.set()  # if there is no connection: a handshake may fail

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.closed.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        way = b"tls" if self.transport.get_extra_info("sslcontext") else b"plain"
        self.transport.write(way + b" " + data)
        self.transport.close()


@contextmanager
def tls_context(folder: Path) -> Iterator[ssl.SSLContext]:
    certificate = Certificate(folder, "localhost")
    certificate.refresh(datetime.now(UTC))
    yield certificate.context


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None, **options: object) -> AsyncIterator[int]:
    taken = bind("127.0.0.1:0")
    echoes: list[Echo] = []

    def answer() -> Echo:
        echoes.append(Echo())
        return echoes[-1]

    listener = Listener(answer, tls=tls, **options)  # type: ignore[arg-type]
    listener.listen(taken)
    try:
        yield taken.getsockname()[1]
    finally:
        await listener.close()
        for echo in echoes:  # a TLS connection takes its time to close
            await echo.closed.wait()


async def ask(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    writer.write(data)
    try:
        answer = await reader.read()
    except ConnectionResetError:  # closed with what we sent unread
        answer = b""
    await closed(writer)
    return answer


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and know that it is."""
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def plain_and_tls_side_by_side(folder: Path) -> None:
    with tls_context(folder) as context:
        trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        async with listening(context) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]  # hold up nobody
            answers = await asyncio.gather(*(ask(port, b"hello", trusting if n % 2 else None) for n in range(20)))
            assert answers == [b"tls hello" if n % 2 else b"plain hello" for n in range(20)]
        for reader, writer in silent:  # closing drops those who have said nothing
            assert await reader.read() == b""
            await closed(writer)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_the_first_byte_tells_tls_from_plain(tmp_path: Path, run: Callable[..., None]) -> None:
    run(plain_and_tls_side_by_side(tmp_path))


async def test_clear_text_is_refused_with_an_answer_where_it_is_not_wanted(tmp_path: Path) -> None:
    with tls_context(tmp_path) as context:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with listening(context, refuses_plain=lambda connection: True, refusal=b"with TLS, please") as port:
            assert await ask(port, b"GET / HTTP/1.1\r\n\r\n") == b"with TLS, please"
            assert await ask(port, b"hello", trusting) == b"tls hello"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_what_is_said_on_this_machine_alone(address: str) -> None:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as listening:
        with socket.create_connection(listening.getsockname()[:2]), listening.accept()[0] as accepted:
            assert is_of_this_machine(accepted)


async def test_tls_without_a_certificate_is_closed() -> None:
    async with listening() as port:
        assert await ask(port, b"\x16\x03\x01") == b""
        assert await ask(port, b"hi") == b"plain hi"


async def test_a_client_that_says_nothing_is_closed_in_time() -> None:
    async with listening(first_byte_seconds=0.01) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        await closed(writer)


async def test_of_too_many_silent_clients_the_oldest_goes() -> None:
    async with listening(silent_limit=2) as port:
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await clients[0][0].read() == b""
        clients[2][1].write(b"hi")
        assert await clients[2][0].read() == b"plain hi"
        for _, writer in clients:
            await closed(writer)


async def test_a_client_that_goes_away_or_breaks_its_handshake_disturbs_nobody(tmp_path: Path) -> None:
    with tls_context(tmp_path) as context:
        async with listening(context) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await closed(writer)
            assert b"plain" not in await ask(port, b"\x16\x03\x01\x00\x05hello-no-handshake")
            assert await ask(port, b"hi") == b"plain hi"


async def crowded_handshakes(folder: Path) -> None:
    crowd = Crowd(per_source=2, at_most=10)
    with tls_context(folder) as context:
        trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        async with listening(context, handshakes=crowd) as port:
            clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for _, writer in clients:
                writer.write(b"\x16\x03\x01\x02\x00")
            ends = [asyncio.create_task(reader.read()) for reader, _ in clients]
            ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert len(ended) == 1
            assert await ask(port, b"hello", trusting) == b"tls hello"
            for _, writer in clients:
                await closed(writer)
            await asyncio.gather(*ends, return_exceptions=True)  # reset, with what they had sent unread
    assert len(crowd) == 0


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_of_too_many_half_handshakes_the_oldest_goes(tmp_path: Path, run: Callable[..., None]) -> None:
    run(crowded_handshakes(tmp_path))


async def test_who_has_just_connected_may_still_speak_when_it_closes() -> None:
    taken = bind("127.0.0.1:0")
    listener = Listener(Echo)
    listener.listen(taken)
    port = taken.getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ask(port, b"first") == b"plain first"  # accepted after the other one

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.close(grace_seconds=30))
        await asyncio.sleep(0)
        writer.write(b"late")
        assert await reader.read() == b"plain late"
    await closed(writer)


async def test_a_socket_that_does_not_listen_any_more_is_told() -> None:
    failed: asyncio.Queue[OSError] = asyncio.Queue()
    taken = bind("127.0.0.1:0")
    listener = Listener(Echo, on_failed=failed.put_nowait)
    listener.listen(taken)

    taken.shutdown(socket.SHUT_RDWR)

    assert (await asyncio.wait_for(failed.get(), 30)).errno == errno.EINVAL
    await listener.close()
    assert failed.empty()  # once
