"""What the client sees: live output on side-band 2, then the report of what became of each ref.

Source: gitprotocol-pack(5), "Packfile Data" (side-band) and "Report Status".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pushd.errors import BootFailed, BuildFailed, DiskFull, PushdError, ReleasePhaseFailed
from pushd.model.procfile import ProcfileError
from pushd.receiver.pktline import FLUSH, pkt

Write = Callable[[bytes], Awaitable[None]]

DATA, PROGRESS = 1, 2  # bands
KEEP_ALIVE = pkt(bytes([PROGRESS]))  # an empty piece of progress: git shows nothing
_PIECE_BYTES = 32_000  # of one side-band packet
_REASON_LIMIT = 100
_REASONS: Mapping[type[PushdError], str] = {
    ProcfileError: "bad Procfile",
    BuildFailed: "build failed",
    ReleasePhaseFailed: "release phase failed",
    BootFailed: "boot failed",
    DiskFull: "disk full",
}


@dataclass(slots=True)
class Report:
    """How a push ended: whether its pack could be read, and for each ref "" or the reason of its refusal."""

    unpack: str = "ok"
    refs: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The lines of the report, flush included."""
        lines = [f"unpack {self.unpack}\n"]
        lines += [f"ng {ref} {reason}\n" if reason else f"ok {ref}\n" for ref, reason in self.refs.items()]
        return b"".join(pkt(line.encode("utf-8", "surrogateescape")) for line in lines) + FLUSH


def refused(refs: Iterable[str], reason: str, *, unpack: str = "ok") -> Report:
    """The report that refuses every ref for one reason."""
    return Report(unpack, dict.fromkeys(refs, one_line(reason)))


def short_reason(error: PushdError) -> str:
    """What stands in brackets behind `[remote rejected]`: a few words on one line."""
    return _REASONS.get(type(error)) or one_line(error.message)


def one_line(text: str, empty: str = "refused") -> str:
    """The first line of `text`, short enough for a report; `empty` if it says nothing."""
    line = text.strip().partition("\n")[0].rstrip(". ") or empty
    return line if len(line) <= _REASON_LIMIT else line[: _REASON_LIMIT - 3] + "..."


async def send_output(output: AsyncIterator[bytes], write: Write) -> None:
    """Pass output on as `remote:` lines while it comes; an empty piece is the moment for a keep-alive."""
    async for data in output:
        await write(band(PROGRESS, data) if data else KEEP_ALIVE)


def band(number: int, data: bytes) -> bytes:
    """`data` as packets of one band."""
    pieces = (data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES))
    return b"".join(pkt(bytes([number]) + piece) for piece in pieces)
