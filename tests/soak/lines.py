"""Whether numbered lines are all there, each once: on the disk, and at the end of what `pushd logs` shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(rb"^line ([0-9a-f]{12}) (\d+) \w.*$", re.MULTILINE)
_SEGMENT = re.compile(r"(?P<process>.+)~(?P<number>\d+)\.log")


@dataclass
class Count:
    """What was found of all processes of one app."""

    lines: int = 0
    processes: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)


def segments(folder: Path) -> list[Path]:
    """The files of one app's log, those of each process in the order in which they were written."""
    found = [
        (match["process"], int(match["number"]), path) for path in folder.iterdir() if (match := _SEGMENT.fullmatch(path.name))
    ]
    return [path for _, _, path in sorted(found)]


def count_lines(texts: Iterable[bytes], told: Mapping[str, int]) -> Count:
    """Look for gaps and doubles in the texts, which follow each other.

    `told` has, for some tokens, a number that the process told somebody: that line was written, so it must be there.
    """
    numbers: dict[str, list[int]] = {}
    for token, number in _LINE.findall(b"".join(texts)):
        numbers.setdefault(token.decode(), []).append(int(number))
    count = Count(processes=len(numbers))
    for token in numbers.keys() | told.keys():
        found = numbers.get(token, [])
        count.lines += len(found)
        unique = set(found)
        last = max([told.get(token, 0), *unique])
        count.missing += [f"{token} {number}" for number in range(1, last + 1) if number not in unique]
        count.twice += [f"{token} {number}" for number in unique if found.count(number) > 1] if len(unique) < len(found) else []
        count.disordered += [token] if found != sorted(found) else []
    return count


def last_numbers(texts: Iterable[bytes]) -> dict[str, int]:
    """The highest number of each token."""
    numbers: dict[str, int] = {}
    for token, number in _LINE.findall(b"".join(texts)):
        numbers[token.decode()] = max(numbers.get(token.decode(), 0), int(number))
    return numbers
