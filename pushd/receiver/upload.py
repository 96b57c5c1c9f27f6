"""Git out: clone and fetch, answered by a child process so that no history is walked in the daemon.

The child is `git upload-pack` where git is there, else `upload_child.py` with dulwich. Both speak protocol v0. Over HTTP they
are stateless: one request on stdin, one answer on stdout (gitprotocol-http(5)).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable

from pushd.errors import TooLarge
from pushd.kit.aio import guarded, in_thread
from pushd.receiver.child import Child, running
from pushd.receiver.git import upload_command
from pushd.receiver.pktline import Read
from pushd.receiver.repositories import Repository

log = logging.getLogger(__name__)

REQUEST_LIMIT_BYTES = 32_000_000  # wants and haves: 600,000 of them


async def advertise_upload(git: str | None, repository: Repository) -> bytes:
    """The refs that may be fetched, as the first half of a clone."""
    async with running(upload_command(git, repository.folder, advertise=True)) as child:
        child.end_input()
        found = bytearray()
        while data := await child.read():
            found += data
        return bytes(found)


async def upload(git: str | None, repository: Repository, read: Read) -> AsyncGenerator[bytes, None]:
    """The answer to one request, in pieces as it is made; the child is gone when the iteration ends, wherever it ends.

    Raises: TooLarge.
    """
    with tempfile.TemporaryFile() as request:
        size = 0
        while data := await read():
            size += len(data)
            _check(size)
            await in_thread(request.write, data)
        await in_thread(request.seek, 0)
        argv = upload_command(git, repository.folder)
        async with running(argv, stdin=request.fileno()) as child:
            while data := await child.read():
                yield data
            if status := await child.wait():
                log.info("fetch failed", extra={"repository": repository.folder.name, "status": status})


async def converse(git: str | None, repository: Repository, read: Read, write: Callable[[bytes], Awaitable[None]]) -> None:
    """A whole clone or fetch, both ways, from the list of what may be fetched to the end of the pack.

    Raises: TooLarge; whatever `read` and `write` raise when the client is gone.
    """
    async with running(upload_command(git, repository.folder, stateless=False)) as child:
        await guarded(_answer(child, write), _ask(child, read))
        if status := await child.wait():
            log.info("fetch failed", extra={"repository": repository.folder.name, "status": status})


async def _answer(child: Child, write: Callable[[bytes], Awaitable[None]]) -> None:
    while data := await child.read():
        await write(data)


async def _ask(child: Child, read: Read) -> None:
    size = 0
    try:
        while data := await read():
            size += len(data)
            _check(size)
            await child.write(data)
    except BrokenPipeError:  # it has heard enough
        return
    child.end_input()


def _check(size_bytes: int) -> None:
    if size_bytes > REQUEST_LIMIT_BYTES:
        raise TooLarge("The list of commits in this request is too long.", remedy="Clone anew.")
