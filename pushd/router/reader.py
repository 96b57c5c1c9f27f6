"""Finds heads in a stream of bytes, has llhttp judge them as they arrive, and parses each when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

import httptools

from pushd.router.heads import (
    BadHead,
    RequestHead,
    ResponseHead,
    bad_request,
    bad_response,
    parse_request,
    parse_response,
    too_large,
)
from pushd.router.limits import Limits

_END = b"\r\n\r\n"
_MEMO_HEADS, _MEMO_HEAD_BYTES = 256, 2048

Head = TypeVar("Head", RequestHead, ResponseHead)


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class HeadReader(Generic[Head]):
    """Takes bytes as they come and gives back each head when it is whole; bytes are judged when they arrive, not at the end."""

    __slots__ = ("_judge", "_parser", "held")

    def __init__(self, judge: Judge[Head]) -> None:
        self._judge: Judge[Head] = judge
        self._parser: _Parser | None = None
        self.held = b""  # the beginning of a head

    def read(self, data: bytes) -> tuple[Head | None, int]:
        """A whole head, and where in `data` it ends; None for the head while it is not complete. Raises: BadHead."""
        if not self.held:
            end = data.find(_END) + 4
            if end >= 4 and (head := self._judge.memo.get(data[:end])) is not None:
                return head, end
        head, rest_bytes = self._read(data)
        return head, len(data) - rest_bytes

    def _read(self, data: bytes) -> tuple[Head | None, int]:
        held = self.held
        if held:
            data = held + data
        if self._parser is None:
            while data.startswith(b"\r\n"):  # RFC 9112 section 2.2: empty lines before a message are ignored
                data = data[2:]
            if data in (b"", b"\r"):
                self.held = data
                return None, 0
            self._parser, held = self._judge.new_parser(None), b""
        end = data.find(_END, max(0, len(held) - 3)) + 4
        self.held = data if end < 4 else data[:end]
        self._judge.feed(self._parser, self.held[len(held) :])
        self._judge.check_size(len(self.held))
        if end < 4:
            return None, 0
        raw, self.held, self._parser = self.held, b"", None
        return self._judge.parse(raw), len(data) - end


class Judge(Generic[Head]):
    """Tells requests from responses while they are read; one for all connections of a kind.

    It remembers heads by their bytes, for clients and dynos send the same ones again and again. Bounded: when it is full, it
    forgets all of them.
    """

    __slots__ = ("_parse", "_refuse", "limit_bytes", "memo", "new_parser")

    def __init__(
        self, new_parser: Callable[[None], _Parser], parse: Callable[[bytes], Head], limit_bytes: int,
        refuse: Callable[[str], BadHead],
    ) -> None:  # fmt: skip
        self.new_parser = new_parser
        self.limit_bytes = limit_bytes
        self.memo: dict[bytes, Head] = {}
        self._parse: Callable[[bytes], Head] = parse
        self._refuse = refuse

    def parse(self, raw: bytes) -> Head:
        """What a well-formed head says. Raises: BadHead."""
        head = self._parse(raw)
        if len(raw) <= _MEMO_HEAD_BYTES:
            if len(self.memo) >= _MEMO_HEADS:
                self.memo.clear()
            self.memo[raw] = head
        return head

    def feed(self, parser: _Parser, data: bytes) -> None:
        """Have llhttp look at the next bytes of a head. Raises: BadHead."""
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # llhttp stops at what it takes for an upgrade; `parse` decides whether it is one
        except httptools.HttpParserError as error:
            if str(error) != "Pause on CONNECT/Upgrade":  # the same, for a 101 that names no protocol
                raise self._refuse(str(error)) from None

    def check_size(self, size_bytes: int) -> None:
        """Raises: BadHead."""
        if size_bytes > self.limit_bytes:
            raise too_large("head too large") if self._refuse is bad_response else bad_request("head too large")


def judge_of_requests(limits: Limits) -> Judge[RequestHead]:
    """For clients' connections."""
    return Judge(httptools.HttpRequestParser, partial(parse_request, limits=limits), limits.request_head_bytes, bad_request)


def judge_of_responses(limits: Limits) -> Judge[ResponseHead]:
    """For connections to targets."""
    return Judge(httptools.HttpResponseParser, partial(parse_response, limits=limits), limits.response_head_bytes, bad_response)
