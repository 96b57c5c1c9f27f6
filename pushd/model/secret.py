"""Values that must not be shown: their `repr` hides them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Environ(Mapping[str, str]):
    """The variables one process gets, or the config vars of an app; prints its keys and never its values."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __or__(self, other: Mapping[str, str]) -> Environ:
        return Environ({**self._values, **other})

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"<Environ {' '.join(sorted(self._values))}>"
