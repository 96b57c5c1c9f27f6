"""What keeps apps apart on this machine, each with whether it works here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that keeps apps apart, whether it works here, and why or how."""

    name: str
    on: bool
    why: str
