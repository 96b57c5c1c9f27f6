"""Which route answers for a host: exact name, then wildcard, then the default app. Pure; built anew for each table."""

from __future__ import annotations

import re

from pushd.model.routing import Route, Table

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::[0-9]{0,5})?")


def parse_host(authority: bytes) -> str | None:
    """`b"App.Localhost.:8080"` -> "app.localhost"; None if it is no host name or address.

    Source: RFC 9110 section 4.2.3 (case and port do not matter), RFC 1034 (one trailing dot is the same name).
    """
    found = _AUTHORITY.fullmatch(authority)
    return found[1].decode("ascii").lower().removesuffix(".") if found else None


class Lookup:
    """Finds routes by host in one table. The first of two routes with one host wins, so that no app can take another's."""

    __slots__ = ("_default", "_exact", "_wildcards")

    def __init__(self, table: Table) -> None:
        self._exact: dict[str, Route] = {}
        self._wildcards: dict[str, Route] = {}
        for route in table.routes:
            for host in route.hosts:
                names = self._wildcards if host.startswith("*.") else self._exact
                names.setdefault(host.removeprefix("*."), route)
        self._default = next((route for route in table.routes if route.app_id == table.default_app_id), None)

    def maybe_route(self, host: str) -> Route | None:
        """The route that answers for a host as `parse_host` gives it; a wildcard stands for exactly one label."""
        if (route := self._exact.get(host)) is not None:
            return route
        label, _, parent = host.partition(".")
        if label and (route := self._wildcards.get(parent)) is not None:
            return route
        return self._default
