"""Get one file over HTTP onto the disk: bounded in size, time and redirects, and from hosts that may be reached only."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pushd.kit.aio import in_thread
from pushd.kit.fetch import CannotFetch
from pushd.kit.reach import OutOfReach, Reach

_REDIRECTS = 5
_CHUNK_BYTES = 1 << 20
_MOVED = (301, 302, 303, 307, 308)


async def download(
    url: str, into: Path, *, limit_bytes: int, within: float, reach: Reach, on_chunk: Callable[[], None] = lambda: None
) -> None:
    """Write what an http(s) URL answers into a new file; each redirect is looked at as the first URL was.

    `on_chunk` is called before each MiB is written, and may raise. Raises: CannotFetch, whose text holds nothing of the
    URL but its host; OSError of the disk; what `on_chunk` raised. The file may hold a part then.
    """
    try:
        async with asyncio.timeout(within), _session(reach) as session:
            for _ in range(_REDIRECTS + 1):
                _check_literal(url, reach)
                async with session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer:
                    if answer.status in _MOVED and "Location" in answer.headers:
                        url = urljoin(url, answer.headers["Location"])
                        continue
                    return await _keep(answer, into, limit_bytes, on_chunk)
            raise CannotFetch(f"it redirects more than {_REDIRECTS} times")
    except TimeoutError:
        raise CannotFetch(f"it took longer than {within:g} seconds") from None
    except OutOfReach as error:
        raise CannotFetch(f"{error}, and such are fetched from only if the operator lists them") from None
    except aiohttp.ClientConnectorError as error:
        raise CannotFetch(f"no connection to {error.host}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise CannotFetch(f"no proper answer ({type(error).__name__})") from error


async def _keep(answer: aiohttp.ClientResponse, into: Path, limit_bytes: int, on_chunk: Callable[[], None]) -> None:
    if answer.status != 200:
        raise CannotFetch(f"status {answer.status}")
    size = 0
    with into.open("xb") as file:
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                raise CannotFetch(f"it is larger than {limit_bytes} bytes")
            on_chunk()
            await in_thread(file.write, chunk)


def _check_literal(url: str, reach: Reach) -> None:
    """A host that is an address is not looked up, so it is judged here. Raises: OutOfReach, CannotFetch."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotFetch("it leads to something other than http:// or https://")
    try:
        ipaddress.ip_address(parts.hostname.partition("%")[0])
    except ValueError:
        return
    if not reach.allows(parts.hostname, parts.hostname):
        raise OutOfReach(f"{parts.hostname} is no public address")


def _session(reach: Reach) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=_Resolver(reach), use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector, auto_decompress=False)


class _Resolver(AbstractResolver):
    """Gives what may be reached, so that what was judged is what is connected to."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._reach.addresses(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept."""
