"""Ranges of user ids that belong to nobody: written as text, cut into blocks, looked up in what the kernel knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROUTER_UID = 64_918  # of nobody else: between the system's and the users' range on Debian and Ubuntu
_LARGEST = 0xFFFF_FFFE  # the one after it means "no user"
_MAPS = (Path("/proc/self/uid_map"), Path("/proc/self/gid_map"))


@dataclass(frozen=True, slots=True)
class UidRange:
    """From `first` to `last`, both among them; each is also the id of a group."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def overlaps(self, other: UidRange) -> bool:
        """Whether some id is in both."""
        return self.first <= other.last and other.first <= self.last

    def blocks(self, size: int) -> Iterator[UidRange]:
        """Ranges of this size, side by side, from the lowest on."""
        for first in range(self.first, self.last - size + 2, size):
            yield UidRange(first, first + size - 1)


# Above what useradd, containers of ordinary users (/etc/subuid) and systemd give out, and below where tools count with a sign.
# Source: systemd's "Users, Groups, UIDs and GIDs on systemd Systems".
UNUSED = UidRange(0x7000_0000, 0x7FFF_FFFF)


def parse_uid_range(text: str) -> UidRange:
    """ "70000-70999" -> that range, of two at least. Raises: ValueError with the rule."""
    first, dash, last = text.partition("-")
    if not (dash and first.isascii() and first.isdecimal() and last.isascii() and last.isdecimal()):
        raise ValueError("it must be auto, off or two numbers such as 70000-70999")
    found = UidRange(int(first), int(last))
    if not 1 <= found.first < found.last <= _LARGEST:
        raise ValueError(f"it must begin above 0, go upwards and end at {_LARGEST} at most")
    if found.overlaps(UidRange(ROUTER_UID, ROUTER_UID)):
        raise ValueError(f"it must leave out {ROUTER_UID}, which the router runs as")
    return found


def check_uid_range(text: str) -> str:
    """The text, if it is auto, off or a range. Raises: ValueError with the rule."""
    if text not in ("auto", "off"):
        parse_uid_range(text)
    return text


def is_known(wanted: UidRange) -> bool:
    """Whether the kernel knows these ids here: a container may have few. Source: user_namespaces(7)."""
    return all(any(_covers(line, wanted) for line in file.read_text().splitlines()) for file in _MAPS)


def _covers(line: str, wanted: UidRange) -> bool:
    inside, _, count = map(int, line.split())
    return inside <= wanted.first and wanted.last < inside + count
