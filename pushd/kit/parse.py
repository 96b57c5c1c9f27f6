"""Rules for values that a person wrote: each gives a function from text to value that raises ValueError with the rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

N = TypeVar("N", int, float)


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A number of seconds within these bounds, both allowed."""

    def parse(text: str) -> float:
        value = _number(float, text)
        if not low <= value <= high:
            raise ValueError(f"it must be {low:g} to {high:g} seconds")
        return value

    return parse


def count(low: int, high: int) -> Callable[[str], int]:
    """A whole number within these bounds, both allowed."""

    def parse(text: str) -> int:
        value = _number(int, text)
        if not low <= value <= high:
            raise ValueError(f"it must be {low} to {high}")
        return value

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words, exactly."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text

    return parse


def _number(kind: Callable[[str], N], text: str) -> N:
    try:
        return kind(text)
    except ValueError:
        raise ValueError("it must be a number") from None
