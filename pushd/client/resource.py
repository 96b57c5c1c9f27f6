"""What most of the API is: things listed, made, shown, changed and removed under one path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from pushd.client.transport import Transport

T = TypeVar("T")


class Resource(Generic[T]):
    """The things below `path`, each by whatever names it there. Raises what `Transport` raises."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path

    def all(self) -> list[T]:
        return all_pages(self._transport, self._path)

    def find(self, which: str) -> T:
        return cast(T, self._transport.call("GET", self._at(which)).value)

    def create(self, body: Mapping[str, Any]) -> T:
        return cast(T, self._transport.call("POST", self._path, body=body).value)

    def update(self, which: str, body: Mapping[str, Any]) -> T:
        return cast(T, self._transport.call("PATCH", self._at(which), body=body).value)

    def remove(self, which: str) -> T:
        return cast(T, self._transport.call("DELETE", self._at(which)).value)

    def _at(self, which: str) -> str:
        return f"{self._path}/{quote(which, safe='')}"


def all_pages(transport: Transport, path: str) -> list[Any]:
    """All pages of a list: the server says with 206 and Next-Range that there is more."""
    answer = transport.call("GET", path)
    items: list[Any] = list(answer.value)
    while answer.status == 206 and (following := answer.headers.get("next-range")):
        answer = transport.call("GET", path, headers={"Range": following})
        items += answer.value
    return items
