"""The size of a terminal, as clients send it and programs see it."""

from __future__ import annotations

from dataclasses import dataclass

_LARGEST = 65_535  # the kernel keeps both in 16 bits


@dataclass(frozen=True, slots=True)
class TerminalSize:
    """In characters. Raises: ValueError for what no terminal can have."""

    columns: int = 80
    lines: int = 24

    def __post_init__(self) -> None:
        if not (1 <= self.columns <= _LARGEST and 1 <= self.lines <= _LARGEST):
            raise ValueError(f"a terminal has 1 to {_LARGEST} columns and lines")

    @classmethod
    def told(cls, columns: int, lines: int) -> TerminalSize:
        """What a client says of its window; 0 is its way to say that it does not know. Raises: ValueError."""
        return cls(columns or cls().columns, lines or cls().lines)
