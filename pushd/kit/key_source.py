"""Where a key is read from that must not lie beside what it opens: a file, a variable, an open descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_RULE = "it must be file:/PATH, env:NAME or fd:NUMBER"
_LIMIT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class KeySource:
    """One of the three; it names the place and never holds the key."""

    kind: str  # file, env, fd
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def read(self, environ: Mapping[str, str]) -> bytes:
        """What stands there. A descriptor is closed after it was read. Raises: OSError, KeyError."""
        match self.kind:
            case "env":
                return environ[self.name].encode()
            case "fd":
                with os.fdopen(int(self.name), "rb") as file:
                    return file.read(_LIMIT_BYTES)
            case _:
                with open(self.name, "rb") as file:
                    return file.read(_LIMIT_BYTES)


def parse_key_source(text: str) -> KeySource | None:
    """ "" is None. Raises: ValueError with the rule, which does not repeat the text: it might be the key itself."""
    if not text:
        return None
    kind, _, name = text.partition(":")
    fits = {"file": Path(name).is_absolute(), "env": name.isidentifier(), "fd": name.isascii() and name.isdecimal()}
    if not fits.get(kind, False) or "\0" in name:
        raise ValueError(_RULE)
    return KeySource(kind, str(int(name)) if kind == "fd" else name)
