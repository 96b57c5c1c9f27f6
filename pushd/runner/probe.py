"""Readiness of a web dyno: a process of that very dyno listens on its PORT and has answered one request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from pushd.errors import BootFailed
from pushd.kit.aio import in_thread
from pushd.kit.clock import Clock
from pushd.runner.schedulers import Handle, Listener

USER_AGENT = "pushd-probe"
_REACHED = frozenset({"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"})  # by a connection to 127.0.0.1
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] \d{3}[ \r]")
_HEAD_BYTES, _BODY_BYTES = 8192, 1 << 20
_REST_SECONDS = 0.1  # what we give an app to write the rest of its answer before we hang up
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.25
_LOOK_SECONDS = 0.25  # between looks at where else it listens
_ADVICE = "Make it listen on 0.0.0.0:$PORT, for example: web: gunicorn hello:app --bind 0.0.0.0:$PORT"
_PATIENCE = 0.05  # a pause is this share of the time already waited: readiness is seen at most 5% late


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How one app's web dynos are asked, from its settings."""

    host: str  # "myapp.localhost"
    path: str
    asks_http: bool  # else listening is enough
    within_seconds: float

    async def wait_until_ready(
        self, name: str, handle: Handle, port: int, clock: Clock, *, on_misplaced: Callable[[str, str], None]
    ) -> None:
        """Return once the dyno is ready. Raises: BootFailed with what was found instead, when the time is over.

        That it listens elsewhere meanwhile is told to `on_misplaced` once, with what to do: a mistake, or it is not done yet.
        Source: gunicorn listens 1.5 s before it imports the app, so listening alone would move traffic onto a dyno that dies.
        """
        began = clock.monotonic()
        heard, refused = b"", False
        misplaced = _Misplaced(name, handle, port, on_misplaced)
        while (waited := clock.monotonic() - began) < self.within_seconds:
            try:
                async with asyncio.timeout(self.within_seconds - waited):
                    answer = await self._ask(handle, port)
                if answer is None or _STATUS_LINE.match(answer):
                    return
                heard = answer
            except (OSError, TimeoutError) as error:  # nothing listens yet, or it hung up
                refused = isinstance(error, ConnectionRefusedError)
                await misplaced.look(clock.monotonic() - began, refused=refused)
            pause = min(max(_FIRST_PAUSE_SECONDS, waited * _PATIENCE), _LONGEST_PAUSE_SECONDS)
            await clock.sleep(pause)
        raise self._not_ready(name, port, await in_thread(handle.listeners), heard, refused)

    async def _ask(self, handle: Handle, port: int) -> bytes | None:
        """The first line that the dyno answers, or None if it need not answer.

        Raises: OSError while nothing listens, or only a neighbour does.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_HEAD_BYTES)
        try:
            if not is_bound(await in_thread(handle.listeners), port):
                raise ConnectionRefusedError("somebody else listens on this port")
            if not self.asks_http:
                return None
            request = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: {USER_AGENT}\r\n"
            writer.write(f"{request}Accept: */*\r\nConnection: close\r\n\r\n".encode())
            line = await _first_line(reader)
            await _read_rest(reader)
            return line
        finally:
            writer.close()

    def _not_ready(self, name: str, port: int, listeners: Sequence[Listener], heard: bytes, refused: bool) -> BootFailed:
        limit = f"{self.within_seconds:g} seconds"
        longer = "If it needs longer: pushd settings:set boot-timeout-seconds=120"
        if _is_reached(listeners, port, refused=refused):
            look = "Look for what that request waits for, or for a worker that keeps ending: its last lines say why."
            other = "Other checks: pushd settings:set probe-path=/health, or probe=port"
            if heard:
                return BootFailed(
                    f"{name} listens on its PORT {port}, but its answer to GET {self.path} is not HTTP",
                    remedy=f"A web process must speak plain HTTP there. {other}",
                )
            return BootFailed(
                f"{name} listens on its PORT {port}, but did not answer GET {self.path} within {limit}",
                remedy=f"{look} {other}\n{longer}",
            )
        if listeners:
            return BootFailed(_where_instead(name, listeners, port), remedy=_ADVICE)
        what = f"{name} did not bind to $PORT ({port}) within {limit} of launch (R10)"
        return BootFailed(what, remedy=f"{_ADVICE}\n{longer}")


class _Misplaced:
    """Notices that a dyno listens where nobody looks for it; tells it once, if it was so at two looks in a row."""

    def __init__(self, name: str, handle: Handle, port: int, tell: Callable[[str, str], None]) -> None:
        self._name, self._handle, self._port, self._tell = name, handle, port, tell
        self._next_look = _LOOK_SECONDS
        self._seen: frozenset[Listener] = frozenset()
        self._told = False

    async def look(self, waited: float, *, refused: bool) -> None:
        """Now and then only: it takes as long as an attempt."""
        if self._told or waited < self._next_look:
            return
        self._next_look = waited + _LOOK_SECONDS
        listeners = frozenset(await in_thread(self._handle.listeners))
        if listeners and listeners == self._seen and not _is_reached(listeners, self._port, refused=refused):
            self._told = True
            self._tell(_where_instead(self._name, listeners, self._port), _ADVICE)
        self._seen = listeners


def is_bound(listeners: Iterable[Listener], port: int) -> bool:
    """Whether one of the dyno's own sockets gets what is sent to 127.0.0.1:port."""
    return any(each.port == port and each.address in _REACHED for each in listeners)


def _is_reached(listeners: Collection[Listener], port: int, *, refused: bool) -> bool:
    """As `is_bound`, knowing whether a connection was just refused: no table tells that a "::" takes IPv6 only."""
    only_ipv6 = refused and {each.address for each in listeners if each.port == port} == {"::"}
    return is_bound(listeners, port) and not only_ipv6


def _where_instead(name: str, listeners: Collection[Listener], port: int) -> str:
    if here := [each for each in listeners if each.port == port]:
        return f"{name} listens on {_shown(here)} only, which the router at 127.0.0.1 does not reach"
    return f"{name} listens on {_shown(listeners)}, but PORT is {port}"


def _shown(listeners: Iterable[Listener]) -> str:
    names = {f"[{each.address}]:{each.port}" if ":" in each.address else f"{each.address}:{each.port}" for each in listeners}
    return ", ".join(sorted(names)[:5])


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    """The first line or what there is of it. Raises: ConnectionError if the dyno hangs up without a word."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise ConnectionResetError("closed without an answer") from None
        return error.partial
    except asyncio.LimitOverrunError:
        return await reader.read(_HEAD_BYTES)


async def _read_rest(reader: asyncio.StreamReader) -> None:
    """Let the app finish its answer, within reason: hanging up early would put an error into its log."""
    left = _BODY_BYTES
    try:
        async with asyncio.timeout(_REST_SECONDS):
            while left > 0 and (data := await reader.read(left)):
                left -= len(data)
    except (TimeoutError, OSError):
        return
