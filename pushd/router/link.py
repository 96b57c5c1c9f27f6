"""One router as the daemon sees it: a connection, what it said, and the dynos whose requests it still carries."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pushd.errors import PushdError
from pushd.kit import proc, procfs
from pushd.kit.cgroup import NO_GROUPS, Bound, Groups
from pushd.kit.door import Door
from pushd.kit.listen import short_path
from pushd.kit.procfs import Identity
from pushd.kit.spawn import spawn
from pushd.model.routing import Table, table_to_dict
from pushd.router.frames import Channel, Message

log = logging.getLogger(__name__)

_START_SECONDS = 20.0
_HELLO_SECONDS = 5.0
_UNKNOWN_DRAIN_SECONDS = 600.0  # of a dyno whose app we do not know any more: the longest that a setting allows
_LOG_LIMIT_BYTES = 1 << 20
_SHARE = 10  # of the processors against one dyno: every app waits for it


class RouterFailed(PushdError):
    """The router process does not start or does not answer."""

    id, status = "router_failed", 500


class Link:
    """Made by `connect`; `news` is called whenever something here changed: an acknowledgement, a drained dyno, the end."""

    def __init__(self, channel: Channel, hello: Message, sockets: Sequence[socket.socket], news: Callable[[], None]) -> None:
        self.version = str(hello["version"])
        self.doors = [Door(*pair) for pair in zip(hello["addresses"], sockets, strict=True)]  # copies of those it accepts on
        self.table_number = int(hello["table"])
        self.acknowledged = 0  # number of the newest table of ours that is in force
        self.is_asked = False  # it owes us the answer to a ping
        self.carries = dict.fromkeys(
            (str(dyno_id) for key in ("targets", "draining") for dyno_id in hello[key]), _UNKNOWN_DRAIN_SECONDS
        )  # dynos that may still have requests there, and how long those may take after they left the table
        self.on_lines: Callable[[Sequence[Sequence[str]], int], None] = lambda lines, dropped: None
        self.pid = int(hello["pid"])
        self._process = procfs.identify(self.pid)
        self._channel = channel
        self._targets: set[str] = set()  # of the last table that we sent
        self._news = news
        channel.on_message = self._on_message
        channel.on_closed = self._on_closed
        if channel.closed:
            self._on_closed()

    @classmethod
    async def connect(cls, path: Path, news: Callable[[], None]) -> Link:
        """Connect to the router that listens at `path`; one that hangs is ended.

        Raises: OSError when none answers; RouterFailed when something else does.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(path) as name:
                connection.connect(name)
            pid, *_ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            connection.close()
            raise
        channel, said, heard = Channel(connection), list[tuple[Message, list[socket.socket]]](), asyncio.Event()

        def on_message(message: Message, sockets: list[socket.socket]) -> None:
            said.append((message, sockets))
            heard.set()

        channel.on_message, channel.on_closed = on_message, heard.set
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                await heard.wait()
            (hello, doors), *more = said or [({}, [])]
            link = cls(channel, hello, doors, news)
        except TimeoutError:
            await _end_hanging(pid)
            raise ConnectionRefusedError("the router there did not answer and was ended") from None
        except (KeyError, ValueError) as error:
            raise RouterFailed(
                f"what listens at {path} does not answer as a router does", remedy="End that process, then start pushd again."
            ) from error
        finally:
            if channel.on_message is on_message:  # no link has taken it
                channel.close()
        for message, sockets in more:  # what came together with the first
            link._on_message(message, sockets)
        return link

    @property
    def closed(self) -> bool:
        """The router has ended, or has taken another daemon."""
        return self._channel.closed

    def close_doors(self) -> None:
        """Let go of our copies of its sockets: as long as anybody has one, its address is taken."""
        for door in self.doors:
            door.socket.close()

    def listen(self, doors: Sequence[Door]) -> None:
        """Have it accept on these and on no others."""
        addresses = [door.address for door in doors]
        self._channel.send({"type": "listen", "addresses": addresses}, [door.socket for door in doors])

    def send(self, table: Table) -> None:
        """Have it put a table in force; `acknowledged` tells when it is."""
        targets = {target.dyno_id: route.drain_seconds for route in table.routes for target in route.targets}
        self._targets = set(targets)
        self.carries.update(targets)
        self._channel.send({"type": "table", "table": table_to_dict(table)})

    def ping(self) -> None:
        """Have it say that it lives; nothing in there changes."""
        self.is_asked = True
        self._channel.send({"type": "ping"})

    async def end(self, within: float, *, idle_within: float = 0.0) -> None:
        """Ask it to finish; when that takes longer it is killed. Idle clients get `idle_within` for one more request."""
        self._channel.send({"type": "stop", "within": within, "idle_within": idle_within})
        await self._wait_end(within + 2)

    async def kill(self) -> None:
        """End it now: it does not answer."""
        await self._wait_end(0)

    def leave(self) -> None:
        """Let go of it; it serves on."""
        self._channel.close()

    async def _wait_end(self, within: float) -> None:
        process = self._process
        if process is not None:
            try:
                async with asyncio.timeout(within):
                    await proc.ended(process)
            except TimeoutError:
                proc.send(process, signal.SIGKILL)
                await proc.ended(process)
            proc.reap(process.pid)  # if it is our child
        self._channel.close()

    def _on_message(self, message: Message, sockets: list[socket.socket]) -> None:
        for each in sockets:
            each.close()
        match message["type"]:
            case "ack":
                self.acknowledged = int(message["number"])
                self.is_asked = False
            case "drained" if message["dyno_id"] not in self._targets:  # else it has come back meanwhile
                self.carries.pop(message["dyno_id"], None)
            case "refused":  # the runner notices by itself when a dyno ends; a living one that refuses is worth a look
                log.debug("target refused", extra={"dyno_id": message["dyno_id"]})
            case "lines":
                self.on_lines(message["lines"], int(message["dropped"]))
        self._news()

    def _on_closed(self) -> None:
        self.carries.clear()
        self.close_doors()
        self._news()


async def start_router(
    path: Path,
    *,
    log_path: Path,
    python: str,
    environ: Mapping[str, str],
    user_id: int | None,
    limits: Sequence[str] = (),
    groups: Groups = NO_GROUPS,
) -> int:
    """Start a router process that outlives us; returns its pid once one can connect to it. Raises: RouterFailed."""
    argv = [python, "-P", *_words(path), *(f"--limit={pair}" for pair in limits)]
    if user_id is not None:
        argv.append(f"--uid={user_id}")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    errors = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(errors).st_size > _LOG_LIMIT_BYTES:
            os.ftruncate(errors, 0)
        try:
            pid = spawn([*groups.enter_apart("router", Bound(share=_SHARE)), *argv], env=environ, stdout=writing, stderr=errors)
        finally:
            os.close(writing)
        with ended_unless_used(pid):
            async with asyncio.timeout(_START_SECONDS):
                await proc.readable(reading)
            if os.read(reading, 16) != b"ready\n":
                raise RouterFailed("the router process ended before it was ready", remedy=f"Its last words are in {log_path}.")
        return pid
    except OSError as error:  # TimeoutError is one too
        raise RouterFailed(f"cannot start the router: {error or 'it takes too long'}", remedy=f"See {log_path}.") from error
    finally:
        os.close(reading)
        os.close(errors)


def find_routers(paths: Collection[Path]) -> list[Identity]:
    """Every router process that was started with one of these control sockets, whether it still listens there or not."""
    wanted = [_words(path) for path in paths]
    found = [pid for pid in procfs.pids() if (words := procfs.arguments(pid)) and [*words[2:6]] in wanted]
    return [who for pid in found if (who := procfs.identify(pid)) is not None]


def _words(path: Path) -> list[str]:
    return ["-m", "pushd.router", "--control", str(path)]


@contextmanager
def ended_unless_used(pid: int) -> Iterator[None]:
    """End a process that was just started if the block fails or is cancelled: nobody would know of it."""
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError, ChildProcessError):  # it has ended, and somebody has seen to it
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise


async def _end_hanging(pid: int) -> None:
    """End a router that keeps its socket open and does not speak: its ports would stay taken."""
    if (process := procfs.identify(pid)) is not None:
        log.error("router does not answer, ending it", extra={"router_pid": pid})
        proc.send(process, signal.SIGKILL)
        await proc.ended(process)
        proc.reap(pid)
