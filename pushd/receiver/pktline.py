"""pkt-lines: how git cuts its protocol into pieces.

Source: gitprotocol-common(5). A line is four hex digits that count themselves, then the data; "0000" is a flush.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pushd.errors import BadRequest

FLUSH = b"0000"
LINE_LIMIT_BYTES = 65_516  # of data, in one line
_LENGTH_DIGITS = 4

Read = Callable[[], Awaitable[bytes]]  # the next bytes of a stream as they come; b"" at its end


def pkt(data: bytes) -> bytes:
    """One line. Raises: ValueError for more data than a line can hold."""
    if len(data) > LINE_LIMIT_BYTES:
        raise ValueError(f"a pkt-line holds {LINE_LIMIT_BYTES} bytes, not {len(data)}")
    return b"%04x%b" % (len(data) + _LENGTH_DIGITS, data)


class PktReader:
    """Lines from a stream, then what follows them as it comes.

    `limit_bytes` bounds all lines together, so that no request fills the memory before it is understood.
    """

    def __init__(self, read: Read, *, limit_bytes: int) -> None:
        self._read = read
        self._left = limit_bytes
        self._buffer = bytearray()

    async def line(self) -> bytes | None:
        """The data of the next line, None for a flush. Raises: BadRequest when the stream is not made of lines."""
        digits = await self._exactly(_LENGTH_DIGITS)
        try:
            length = int(digits, 16)
        except ValueError:
            raise BadRequest(f"This is not git's protocol: a line cannot begin with {bytes(digits)!r}.") from None
        if length == 0:
            return None
        if length < _LENGTH_DIGITS:
            raise BadRequest(f"This is not git's protocol: a line cannot be {length} bytes long.")
        return await self._exactly(length - _LENGTH_DIGITS)

    async def rest(self) -> bytes:
        """What comes after the lines, in pieces; b"" at the end."""
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        return await self._read()

    async def _exactly(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise BadRequest("The list of refs is too long.", remedy="Push fewer refs at a time.")
        while len(self._buffer) < count:
            data = await self._read()
            if not data:
                raise BadRequest("The request ends in the middle of a line.", remedy="Push again.")
            self._buffer += data
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found
