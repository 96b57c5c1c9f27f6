"""What every call of the API is made of: a request, its JSON, all pages of a list."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from pushd.client.resource import all_pages
from pushd.client.shapes import Changed
from pushd.client.transport import Answer, Transport, Unreachable
from pushd.errors import Unavailable

AUTHORITY_SECONDS = 30.0
PATIENCE_SECONDS = 20.0  # a daemon that restarts while we wait for it is forgiven so long


class Calls:
    """One server and one token; `Client` and the topics that it is made of derive from this."""

    def __init__(self, transport: Transport, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._transport = transport
        self._sleep = sleep

    @property
    def server(self) -> str:
        return self._transport.server

    @property
    def ca_file(self) -> str | None:
        """An authority that is trusted for this server beside the system's own."""
        return self._transport.ca_file

    @property
    def warnings(self) -> list[str]:
        """What the server warned of so far."""
        return self._transport.warnings

    def close(self) -> None:
        self._transport.close()

    def authority(self) -> bytes:
        """The CA behind the server's certificate, as PEM; asked for without our token."""
        return b"".join(self._transport.stream("/-/ca.pem", silence_seconds=AUTHORITY_SECONDS))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._transport.call(method, path, body=body).value

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """`ask()`, again while the server cannot be reached, for a while."""
        pause, waited = 0.2, 0.0
        while True:
            try:
                return ask()
            except (Unreachable, Unavailable):
                if waited >= PATIENCE_SECONDS:
                    raise
            self._sleep(pause)
            waited += pause
            pause = min(pause * 2, 2.0)

    def _get(self, path: str) -> Any:
        return self._transport.call("GET", path).value

    def _list(self, path: str) -> list[Any]:
        return all_pages(self._transport, path)


def app_path(app: str, *parts: str) -> str:
    """`/apps/APP/PART...`, each part quoted."""
    return "/".join(["/apps", *(quote(part, safe="") for part in (app, *parts))])


def request_target(url: str) -> str:
    """Path and query of an absolute URL that the server made of our own Host header."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def changed(answer: Answer) -> Changed[Any]:
    """The answer to a change that dynos may have to follow."""
    return Changed(answer.value, answer.headers.get("pushd-change"))
