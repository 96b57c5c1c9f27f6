"""Get one file over HTTP onto the disk: bounded in size, time and redirects, and from hosts that may be reached only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import aiohttp

from pushd.kit.aio import in_thread
from pushd.kit.fetch import CannotFetch
from pushd.kit.outward import MOVED, check_literal, outward
from pushd.kit.reach import OutOfReach, Reach

_REDIRECTS = 5
_CHUNK_BYTES = 1 << 20


async def download(
    url: str, into: Path, *, limit_bytes: int, within: float, reach: Reach, on_chunk: Callable[[], None] = lambda: None
) -> None:
    """Write what an http(s) URL answers into a new file; each redirect is looked at as the first URL was.

    `on_chunk` is called before each MiB is written, and may raise. Raises: CannotFetch, whose text holds nothing of the
    URL but its host; OSError of the disk; what `on_chunk` raised. The file may hold a part then.
    """
    try:
        async with asyncio.timeout(within), aiohttp.ClientSession(connector=outward(reach), auto_decompress=False) as session:
            for _ in range(_REDIRECTS + 1):
                _check(url, reach)
                async with session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer:
                    if answer.status in MOVED and "Location" in answer.headers:
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


def _check(url: str, reach: Reach) -> None:
    """Raises: OutOfReach, CannotFetch."""
    try:
        check_literal(url, reach)
    except ValueError as error:
        raise CannotFetch(str(error)) from None
