"""What a tree may hold: names that no checkout, on any system, takes for something else. Pure.

dulwich parses trees and judges few names; git's own rules are those of `git fsck` (git-fsck(1), "hasDotgit" and others).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

FOLDER, FILE, PROGRAM, LINK, SUBMODULE = 0o040000, 0o100644, 0o100755, 0o120000, 0o160000
MODES = frozenset({FOLDER, FILE, 0o100664, PROGRAM, LINK, SUBMODULE})
NAME_LIMIT_BYTES = 4096
_ID_BYTES = 20

# Code points that HFS+ leaves out when it compares names (git's utf8.c, next_hfs_char).
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])


class EvilTree(ValueError):
    """A tree that must not be stored or checked out; the text names the entry and says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree; `id` is binary, 20 bytes."""

    name: bytes
    mode: int
    id: bytes


def read_tree(raw: bytes) -> Iterator[Entry]:
    """The entries of a tree object in their order. Raises: EvilTree for one that git would not have written."""
    seen: set[bytes] = set()
    position = 0
    while position < len(raw):
        blank = raw.find(b" ", position, position + 8)
        end = raw.find(b"\0", blank)
        if blank < 0 or end < 0 or end + 1 + _ID_BYTES > len(raw):
            raise EvilTree("a tree ends in the middle of an entry")
        name = raw[blank + 1 : end]
        mode = _parse_mode(raw[position:blank], name)
        if fault := fault_of_name(name):
            raise EvilTree(f"a tree has an entry called {shown(name)}: {fault}")
        if name in seen:
            raise EvilTree(f"a tree has two entries called {shown(name)}")
        seen.add(name)
        position = end + 1 + _ID_BYTES
        yield Entry(name, mode, raw[end + 1 : position])


def fault_of_name(name: bytes) -> str:
    """Why a checkout must not write this name; "" for a good one."""
    if not name:
        return "it is empty"
    if b"/" in name:
        return "a name cannot hold a slash"
    if name in (b".", b".."):
        return "it leads out of its folder"
    if len(name) > NAME_LIMIT_BYTES:
        return "it is too long"
    if _is_git_folder(name):
        return "that is where git keeps its own files"
    return ""


def shown(name: bytes) -> str:
    """A name for an error message: short, and without control characters."""
    return repr(name.decode("utf-8", "replace")[:80])


def _parse_mode(digits: bytes, name: bytes) -> int:
    try:
        mode = int(digits, 8)
    except ValueError:
        raise EvilTree(f"a tree has no mode for {shown(name)}") from None
    if mode not in MODES:
        raise EvilTree(f"a tree has an entry {shown(name)} of the unknown kind {mode:o}")
    return mode


def _is_git_folder(name: bytes) -> bool:
    """Whether some file system takes `name` for `.git`: case, blanks, dots, streams (NTFS), ignored characters (HFS+)."""
    for part in name.split(b"\\"):  # a separator on Windows
        if part.lower().partition(b":")[0].rstrip(b" .") in (b".git", b"git~1"):
            return True
    text = unicodedata.normalize("NFD", name.decode("utf-8", "replace").translate(_IGNORED))
    return text.casefold() == ".git"
