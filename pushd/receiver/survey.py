"""A first look at a pack that lies in a file: where its objects are, and how much they unpack to.

Everything is inflated once in small pieces and thrown away, so that a pack made to fill the memory is known before anything is
unpacked for good. Source: gitformat-pack(5).
"""

from __future__ import annotations

import hashlib
import mmap
import zlib
from dataclasses import dataclass
from pathlib import Path

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
_HEADER_BYTES, _CHECKSUM_BYTES, _ID_BYTES = 12, 20, 20
_PIECE_BYTES = 1 << 16


class PackRefused(Exception):
    """A pack that cannot be taken; the text says why, in a few words for the client's report, `remedy` what to do next."""

    remedy = "Push again; if that does not help, `git fsck --strict` in your clone shows what is wrong."


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it lies in the pack."""

    offset: int
    type_number: int
    base: int | bytes | None  # of a delta: how many bytes back, or the id of another object
    unpacked_bytes: int  # of the whole object, a delta applied


def survey(pack: Path) -> list[Stored]:
    """The objects of a pack in their order.

    Raises: PackRefused when it is truncated, damaged, of another format, or followed by something else.
    """
    with pack.open("rb") as file:
        if pack.stat().st_size < _HEADER_BYTES + _CHECKSUM_BYTES:
            raise PackRefused("the pack is truncated")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _walk(data)


def _walk(data: mmap.mmap) -> list[Stored]:
    if data[:4] != b"PACK" or int.from_bytes(data[4:8], "big") not in (2, 3):
        raise PackRefused("this is no pack")
    end = len(data) - _CHECKSUM_BYTES
    count = int.from_bytes(data[8:12], "big")
    found: list[Stored] = []
    position = _HEADER_BYTES
    try:
        for _ in range(count):
            stored, position = _read_object(data, position, end)
            found.append(stored)
    except (zlib.error, IndexError) as error:
        raise PackRefused("the pack is truncated or damaged") from error
    if position != end or not _checksum_fits(data, end):
        raise PackRefused("the pack is truncated or damaged: its checksum does not fit")
    return found


def _read_object(data: mmap.mmap, start: int, end: int) -> tuple[Stored, int]:
    byte, position = data[start], start + 1
    type_number, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        byte, position = data[position], position + 1
        size |= (byte & 0x7F) << shift
        shift += 7
    base: int | bytes | None = None
    if type_number == OFS_DELTA:
        base, position = _read_distance(data, position)
        if not _HEADER_BYTES <= start - base < start:
            raise PackRefused("the pack is damaged: a delta has no base")
    elif type_number == REF_DELTA:
        base, position = data[position : position + _ID_BYTES], position + _ID_BYTES
    elif type_number not in (COMMIT, TREE, BLOB, TAG):
        raise PackRefused(f"the pack holds an object of the unknown type {type_number}")
    head, position = _inflate(data, position, end, size)
    return Stored(start, type_number, base, size if base is None else _target_size(head)), position


def _read_distance(data: mmap.mmap, position: int) -> tuple[int, int]:
    byte, position = data[position], position + 1
    distance = byte & 0x7F
    while byte & 0x80:
        byte, position = data[position], position + 1
        distance = (distance + 1) << 7 | byte & 0x7F
    return distance, position


def _inflate(data: mmap.mmap, position: int, end: int, size: int) -> tuple[bytes, int]:
    """Inflate what stands at `position`; its first bytes, and where it ends."""
    inflater = zlib.decompressobj()
    head, done, pending = b"", 0, b""
    while not inflater.eof:
        if not pending:
            piece = min(_PIECE_BYTES, max(512, size + 64), end - position)
            if piece <= 0:
                raise PackRefused("the pack is truncated")
            pending, position = data[position : position + piece], position + piece
        out = inflater.decompress(pending, _PIECE_BYTES)
        pending = inflater.unconsumed_tail
        head = head or out[:32]
        done += len(out)
        if done > size:
            break
    if done != size:
        raise PackRefused("the pack is damaged: an object has another size than it says")
    return head, position - len(inflater.unused_data)


def _target_size(delta: bytes) -> int:
    """The size of what a delta makes: its second number, after the size of its base."""
    size = shift = position = 0
    for _ in range(2):
        size = shift = 0
        while True:
            byte, position = delta[position], position + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
    return size


def _checksum_fits(data: mmap.mmap, end: int) -> bool:
    digest = hashlib.sha1(usedforsecurity=False)
    for start in range(0, end, _PIECE_BYTES):
        digest.update(data[start : min(start + _PIECE_BYTES, end)])
    return digest.digest() == data[end:]
