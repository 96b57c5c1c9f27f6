"""The router's log lines: one per request, kept within a bound until the daemon takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from pushd.router.codes import Code
from pushd.router.heads import RequestHead, in_quotes

Line = tuple[str, str, str]  # app id, level, text

_BATCH_LINES = 2000
_BATCH_SECONDS = 0.05
_LINE_OVERHEAD_BYTES = 200  # what a kept line takes beside its text


class Journal:
    """Collects lines and hands them on in batches; what no longer fits while nobody takes them is counted and said.

    `send` gets a batch, oldest first, and the number of lines lost before it; it answers False when it cannot take it now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit_bytes: int = 8_000_000) -> None:
        self._loop = loop
        self._limit_bytes = limit_bytes
        self._lines: deque[Line] = deque()
        self._size_bytes = 0
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self.send: Callable[[Sequence[Line], int], bool] = lambda lines, dropped: False

    def record(self, app_id: str, level: str, text: str) -> None:
        """Keep one line; over the bound the oldest goes, for the newest says what is happening now."""
        self._lines.append((app_id, level, text))
        self._size_bytes += len(text) + _LINE_OVERHEAD_BYTES
        while self._size_bytes > self._limit_bytes:
            self._forget_oldest()
            self._dropped += 1
        if self._timer is None:
            self._timer = self._loop.call_later(_BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand on what is there; what `send` does not take stays, to be offered again with the next line or flush."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._lines:
            batch = [self._lines[index] for index in range(min(_BATCH_LINES, len(self._lines)))]
            if not self.send(batch, self._dropped):
                return
            self._dropped = 0
            for _ in batch:
                self._forget_oldest()

    def flush_soon(self) -> None:
        """Offer what was not taken again in a moment."""
        if self._lines and self._timer is None:
            self._timer = self._loop.call_later(_BATCH_SECONDS, self.flush)

    def _forget_oldest(self) -> None:
        self._size_bytes -= len(self._lines.popleft()[2]) + _LINE_OVERHEAD_BYTES


def request_line(
    code: Code | None, *, head: RequestHead, request_id: str, fwd: bytes, dyno: str, times: str, status: int,
    size_bytes: int, cause: str = "", sock: str = "",
) -> str:  # fmt: skip
    """The line of one request. Source: the format of Heroku's router (`at code desc cause sock method path ...`)."""
    return (
        f'{_beginning(code, cause, sock)} {head.shown} request_id={request_id} fwd="{in_quotes(fwd)}" '
        f"dyno={dyno} {times} status={status} bytes={size_bytes} protocol=http"
    )


def refused_line(code: Code, *, raw: bytes, host: str, fwd: bytes, status: int, cause: str) -> str:
    """The line of a request whose head could not be read: as much of it as there is."""
    words = [*raw[:300].split(b"\r\n", 1)[0].split(b" "), b"", b""]
    return (
        f'{_beginning(code, cause, "")} method={_bare(words[0])} path="{in_quotes(words[1])}" host={host} request_id= '
        f'fwd="{in_quotes(fwd)}" dyno= connect= service= status={status} bytes= protocol=http'
    )


def _beginning(code: Code | None, cause: str, sock: str) -> str:
    if code is None:
        return "at=info"
    return (
        f'at={code.level} code={code.id} desc="{code.desc}"'
        + (f' cause="{cause}"' if cause else "")
        + (f" sock={sock}" if sock else "")
    )


def _bare(word: bytes) -> str:
    text = word.decode("latin-1")
    return text if text.isascii() and text.isalpha() else ""
