"""What a client asks for in one push: refs to move, capabilities, push options.

Source: gitprotocol-pack(5), "Pushing Data To a Server"; gitprotocol-capabilities(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pushd.errors import BadRequest
from pushd.receiver.pktline import PktReader

ZERO = "0" * 40
COMMANDS_LIMIT = 50_000
OPTIONS_LIMIT = 64
OPTION_LIMIT_BYTES = 1_000
LINES_LIMIT_BYTES = 16_000_000  # all lines of one request together

_ID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Command:
    """One ref to move from `old` to `new`; ZERO stands for "does not exist"."""

    ref: str  # bytes that are not UTF-8 are kept as surrogates
    old: str
    new: str

    @property
    def is_delete(self) -> bool:
        return self.new == ZERO

    @property
    def is_create(self) -> bool:
        return self.old == ZERO

    @property
    def branch(self) -> str | None:
        """The branch's short name; None if the ref is no branch."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None


@dataclass(frozen=True, slots=True)
class PushRequest:
    """All that stands before the pack."""

    commands: tuple[Command, ...]
    capabilities: frozenset[str]
    options: tuple[str, ...] = ()
    is_shallow: bool = False  # the client's history is cut off somewhere

    @property
    def has_pack(self) -> bool:
        """A pack follows, unless refs are only deleted."""
        return any(not command.is_delete for command in self.commands)


async def read_push(reader: PktReader) -> PushRequest | None:
    """The request up to its pack; None for the empty one by which git tries whether it may push at all.

    Raises: BadRequest for anything that is not what gitprotocol-pack(5) describes.
    """
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    is_shallow = False
    while (line := await reader.line()) is not None:
        if not commands:
            line, _, words = line.partition(b"\0")
            capabilities = capabilities or frozenset(words.decode("utf-8", "replace").split())
        text = line.rstrip(b"\n").decode("utf-8", "surrogateescape")
        if text.startswith("shallow "):
            is_shallow = True
            continue
        commands.append(_parse_command(text))
        if len(commands) > COMMANDS_LIMIT:
            raise BadRequest(f"A push may move {COMMANDS_LIMIT} refs at most.", remedy="Push fewer refs at a time.")
    if not commands:
        return None
    if len({command.ref for command in commands}) != len(commands):
        raise BadRequest("This push names the same ref twice.", remedy="Name each ref once.")
    options = await _read_options(reader) if "push-options" in capabilities else ()
    return PushRequest(tuple(commands), capabilities, options, is_shallow)


def _parse_command(text: str) -> Command:
    old, _, rest = text.partition(" ")
    new, _, ref = rest.partition(" ")
    if not (_ID.fullmatch(old) and _ID.fullmatch(new) and ref) or old == new == ZERO:
        raise BadRequest(f"This is not git's protocol: {text[:80]!r} is no command to move a ref.")
    return Command(ref, old, new)


async def _read_options(reader: PktReader) -> tuple[str, ...]:
    options: list[str] = []
    while (line := await reader.line()) is not None:
        if len(options) == OPTIONS_LIMIT or len(line) > OPTION_LIMIT_BYTES:
            raise BadRequest("There are too many push options, or one is too long.", remedy="Leave some out.")
        options.append(line.rstrip(b"\n").decode("utf-8", "replace"))
    return tuple(options)
