"""Listening sockets, and one port that speaks plain text and TLS by the first byte of each connection.

A TLS client speaks first and its first byte is 0x16 (a handshake record); no HTTP method begins with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pushd.kit.accept import Acceptor
from pushd.kit.addresses import source_of
from pushd.kit.aio import Nursery
from pushd.kit.crowd import Crowd

log = logging.getLogger(__name__)

_TLS_HANDSHAKE = b"\x16"
_FIRST_INHERITED = 3  # sd_listen_fds(3)
_TURNS_TO_READ = 10  # of the loop, until a protocol has read what its client had sent before it was handed on
_REFUSED_BYTES = 1 << 16


def parse_address(text: str) -> tuple[str, int] | Path:
    """ "127.0.0.1:5000", "[::1]:5000" or "unix:/path". Raises: ValueError that says the two forms."""
    if text.startswith("unix:/"):
        return Path(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address: write host:port or unix:/path")
    return host.removeprefix("[").removesuffix("]"), int(port)


def bind(text: str, *, backlog: int = 1024, unix_mode: int = 0o660) -> socket.socket:
    """A listening, non-blocking socket at the address; port 0 takes a free one.

    A Unix socket that nobody answers any more is replaced; its path may be longer than the kernel's 107 bytes.
    Raises: ValueError for an address that cannot be read, OSError when it cannot be bound.
    """
    address = parse_address(text)
    if isinstance(address, Path):
        return _bind_unix(address, backlog, unix_mode)
    host, port = address
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def is_of_this_machine(connection: socket.socket) -> bool:
    """Whether both ends of a connection are on this machine, so that what is said is on no wire."""
    if connection.family == socket.AF_UNIX:
        return True
    local = connection.getsockname()[0]
    address = ipaddress.ip_address(local.partition("%")[0])
    try:
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback or connection.getpeername()[0] == local
    except OSError:  # the other end is gone already
        return False


def shown_address(listening: socket.socket) -> str:
    """Where a TCP socket listens, in the form that `parse_address` reads: tells which port a 0 became."""
    name = listening.getsockname()
    host = f"[{name[0]}]" if listening.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def inherited_sockets(environ: Mapping[str, str], *, pid: int) -> Sequence[tuple[str, socket.socket]]:
    """Listening sockets that systemd handed over, with their names, in order; none if they are not for this process.

    Source: sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. Call it once: each call owns the descriptors.
    """
    if environ.get("LISTEN_PID") != str(pid) or not environ.get("LISTEN_FDS", "").isdigit():
        return ()
    count = int(environ["LISTEN_FDS"])
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found = []
    for index in range(count):
        listening = socket.socket(fileno=_FIRST_INHERITED + index)
        listening.set_inheritable(False)
        listening.setblocking(False)
        found.append((names[index] if index < len(names) else "", listening))
    return tuple(found)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name of at most 107 bytes for a Unix socket, however deep its folder lies; valid inside the block."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _bind_unix(path: Path, backlog: int, mode: int) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as name:
            _remove_stale(name)
            listening.bind(name)
            Path(name).chmod(mode)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _remove_stale(name: str) -> None:
    """Unlink a socket whose process is gone. Raises: OSError (EADDRINUSE) when somebody answers or it is no socket."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(name).st_mode):
            raise OSError(errno.EADDRINUSE, "there is a file of that name that is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(name)
            except ConnectionRefusedError:
                os.unlink(name)
                return
        raise OSError(errno.EADDRINUSE, "another process listens there")


class Listener:
    """Accepts connections, waits for their first byte without holding up any other, and hands them on.

    `protocol` makes the asyncio protocol of one connection, `tls_protocol` that of one inside TLS if that is another one;
    `tls` None closes connections that begin with TLS. Where `refuses_plain` says so of a connection that does not begin with
    TLS, it is closed with `refusal`, whole bytes of an answer; unless it says so of none.
    `on_failed` is told when a listening socket gives an error that waiting does not mend; nobody is accepted there any more.
    Those in the middle of TLS's handshake are in the crowd `handshakes`, if there is one.
    A client that sends nothing for `first_byte_seconds` is closed; of more than `silent_limit` such clients the oldest goes.
    """

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None = None,
        tls_protocol: Callable[[], asyncio.Protocol] | None = None,
        refuses_plain: Callable[[socket.socket], bool] = lambda connection: False,
        refusal: bytes = b"",
        first_byte_seconds: float = 20.0,
        handshake_seconds: float = 20.0,
        silent_limit: int = 1000,
        handshakes: Crowd | None = None,
        on_failed: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self._protocol = protocol
        self._tls = tls
        self._tls_protocol = tls_protocol or protocol
        self._refuses_plain = refuses_plain
        self._refusal = refusal
        self._first_byte_seconds = first_byte_seconds
        self._handshake_seconds = handshake_seconds
        self._silent_limit = silent_limit
        self._handshakes = handshakes
        self._acceptor = Acceptor(self._await_first_byte, on_failed=on_failed)
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._nobody_silent = asyncio.Event()
        self._nursery = Nursery("listener")

    def listen(self, listening: socket.socket) -> None:
        """Accept from this non-blocking socket from now on; the listener owns it."""
        self._acceptor.listen(listening)

    async def close(self, *, grace_seconds: float = 0.0) -> None:
        """Accept no more, hand on those who say something within the grace, and drop the others.

        Handed-over connections are not touched. Who waits in the queue of a socket that systemd or a successor holds too is
        accepted there.
        """
        self._acceptor.close()
        if grace_seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    while self._silent:
                        self._nobody_silent.clear()
                        await self._nobody_silent.wait()
                    await self._nursery.settle()
            for _ in range(_TURNS_TO_READ):
                await asyncio.sleep(0)
        for connection in list(self._silent):
            self._drop(connection)
        await self._nursery.close()

    def _await_first_byte(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if len(self._silent) >= self._silent_limit:
            self._drop(next(iter(self._silent)))
        self._silent[connection] = loop.call_later(self._first_byte_seconds, self._drop, connection)
        loop.add_reader(connection, self._on_first_byte, connection)

    def _on_first_byte(self, connection: socket.socket) -> None:
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        wants_tls = first == _TLS_HANDSHAKE
        if not first or (wants_tls and self._tls is None):
            self._drop(connection)
            return
        if not wants_tls and self._refuses_plain(connection):
            with contextlib.suppress(OSError):  # what it has sent is read: closing would reset the connection else
                connection.recv(_REFUSED_BYTES)
                connection.send(self._refusal)
                connection.shutdown(socket.SHUT_WR)
            self._drop(connection)
            return
        self._release(connection)
        self._nursery.start(self._hand_on(connection, self._tls if wants_tls else None), name="hand on")

    async def _hand_on(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._in_handshake(connection) if tls else contextlib.nullcontext():
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._tls_protocol if tls else self._protocol,
                    connection,
                    ssl=tls,
                    ssl_handshake_timeout=self._handshake_seconds if tls else None,
                )
        except (OSError, ssl.SSLError) as error:  # a client that gave up, or that does not trust our certificate
            log.debug("connection not established", extra={"error": error})
            connection.close()

    @contextmanager
    def _in_handshake(self, connection: socket.socket) -> Iterator[None]:
        """Raises: OSError if the connection is gone already."""
        task = asyncio.current_task()
        if self._handshakes is None or task is None:
            yield
            return
        source = source_of(str(connection.getpeername()[0])) if connection.family != socket.AF_UNIX else "a local socket"
        self._handshakes.enter(connection, source, within=2 * self._handshake_seconds, dismiss=task.cancel)
        try:
            yield
        finally:
            self._handshakes.leave(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._release(connection)
        connection.close()

    def _release(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection)
        self._silent.pop(connection).cancel()
        if not self._silent:
            self._nobody_silent.set()
