"""Reads unit files as far as ours go: sections, repeated keys, comments; no continued lines, no specifiers."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0}


@dataclass(frozen=True)
class Unit:
    """One unit: section -> key -> all its values."""

    name: str
    sections: dict[str, dict[str, list[str]]]

    @classmethod
    def read(cls, path: Path) -> Unit:
        sections: dict[str, dict[str, list[str]]] = {}
        section: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            text = line.strip()
            if not text or text[0] in "#;":
                continue
            if text[0] == "[":
                section = sections.setdefault(text.strip("[]"), {})
            else:
                key, _, value = text.partition("=")
                section.setdefault(key, []).append(value)
        return cls(path.name, sections)

    def all(self, section: str, key: str) -> list[str]:
        return self.sections.get(section, {}).get(key, [])

    def get(self, section: str, key: str) -> str:
        """The last value; it must be there."""
        return self.all(section, key)[-1]

    def seconds(self, section: str, key: str) -> float:
        found = re.fullmatch(r"([0-9.]+)(s|ms|min|)", self.get(section, key))
        assert found, f"{self.name}: {key} is no time"
        return float(found[1]) * _SECONDS[found[2]]

    @property
    def command(self) -> list[str]:
        return shlex.split(self.get("Service", "ExecStart"))

    @property
    def environment(self) -> dict[str, str]:
        return dict(value.split("=", 1) for value in self.all("Service", "Environment"))
