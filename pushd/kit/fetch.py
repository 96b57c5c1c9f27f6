"""Get one page over HTTP, bounded in size, time and redirects, and from hosts that may be reached only.

A page that was just fetched is not fetched again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urljoin

import aiohttp

from pushd.kit.clock import Clock
from pushd.kit.outward import MOVED, check_literal, outward
from pushd.kit.reach import OutOfReach, Reach

_REDIRECTS = 5
_KEPT_SECONDS = 300.0
_FAILURE_KEPT_SECONDS = 30.0


class CannotFetch(Exception):
    """The page cannot be had; the text says why and holds no secret of the URL."""


@dataclass(slots=True)
class Pages:
    """Fetches pages that users name by URL, and remembers them (and failures) for a while."""

    clock: Clock
    reach: Reach
    limit_bytes: int = 1 << 20
    within_seconds: float = 5.0
    _known: dict[str, tuple[float, str | CannotFetch]] = field(default_factory=dict)

    async def fetch(self, url: str) -> str:
        """The page's text. Raises: CannotFetch."""
        now = self.clock.monotonic()
        self._known = {known: entry for known, entry in self._known.items() if entry[0] > now}
        if url in self._known:
            return _text(self._known[url][1])
        try:
            found: str | CannotFetch = await self._get(url)
        except OutOfReach as error:
            found = CannotFetch(f"{error}, and fetch_private does not list it")
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            found = CannotFetch(type(error).__name__)
        kept = _FAILURE_KEPT_SECONDS if isinstance(found, CannotFetch) else _KEPT_SECONDS
        self._known[url] = now + kept, found
        return _text(found)

    async def _get(self, url: str) -> str | CannotFetch:
        async with asyncio.timeout(self.within_seconds), aiohttp.ClientSession(connector=outward(self.reach)) as session:
            for _ in range(_REDIRECTS + 1):
                check_literal(url, self.reach)  # each redirect as the first one
                async with session.get(url, allow_redirects=False) as answer:
                    if answer.status not in MOVED or "Location" not in answer.headers:
                        return await self._read(answer)
                    url = urljoin(url, answer.headers["Location"])
        return CannotFetch(f"it redirects more than {_REDIRECTS} times")

    async def _read(self, answer: aiohttp.ClientResponse) -> str | CannotFetch:
        if answer.status != 200:
            return CannotFetch(f"status {answer.status}")
        body = await answer.content.read(self.limit_bytes + 1)
        while len(body) <= self.limit_bytes and (more := await answer.content.read(self.limit_bytes)):
            body += more
        if len(body) > self.limit_bytes:
            return CannotFetch(f"larger than {self.limit_bytes} bytes")
        return body.decode("utf-8", "replace")


def _text(found: str | CannotFetch) -> str:
    if isinstance(found, CannotFetch):
        raise found
    return found
