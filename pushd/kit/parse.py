"""Rules for values that a person wrote: each gives a function from text to value that raises ValueError with the rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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


def number_with_unit(
    units: Mapping[str, int], low: float, high: float, rule: str, kind: Callable[[float], N]
) -> Callable[[str], N]:
    """A number with one of these units, in any letters, or without any if "" is one: their value is what each counts.

    Both bounds are allowed; `rule` says what is, and `kind` makes the value.
    """

    def parse(text: str) -> N:
        found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([A-Za-z]*)", text)
        factor = units.get(found[2].upper()) if found else None
        if found is None or factor is None or not low <= float(found[1]) * factor <= high:
            raise ValueError(f"it must be {rule}")
        return kind(float(found[1]) * factor)

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
