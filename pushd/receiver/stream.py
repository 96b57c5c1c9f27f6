"""Git on a connection of its own, as SSH gives it one: we speak first, and nothing but the protocol tells where a part ends.

Source: gitprotocol-pack(5); protocol v0. What follows is the same as over HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from functools import partial
from typing import Protocol

from pushd.errors import BadRequest, DiskFull, PushdError
from pushd.kit.transcript import complaint
from pushd.model.app import App
from pushd.model.user import User
from pushd.receiver.commands import LINES_LIMIT_BYTES, read_push
from pushd.receiver.pktline import PktReader, Read, pkt
from pushd.receiver.receiver import Receiver, refusal
from pushd.receiver.repositories import Repository
from pushd.receiver.room import explaining_full_disk
from pushd.receiver.services import RECEIVE, SILENCE_SECONDS, fetching, find_app
from pushd.receiver.upload import converse

log = logging.getLogger(__name__)

DONE, REFUSED = 0, 1  # exit statuses; a push that was refused in its report is done: git reads there how it ended
_CHECKSUM_BYTES = 20


class Stream(Protocol):
    """The client's end. All of these raise ConnectionError once it is gone."""

    @property
    def source(self) -> str:
        """Its address."""

    async def read(self) -> bytes:
        """What git sends next; b"" at its end. Nothing is lost when this is cancelled."""

    async def write(self, data: bytes) -> None:
        """To git."""

    async def tell(self, text: str) -> None:
        """To the person who runs git."""


async def serve(receiver: Receiver, user: User, service: str, name: str, stream: Stream) -> int:
    """Answer one `git-receive-pack` or `git-upload-pack` for this app to its end; gives the exit status.

    A push goes on when the client does not. Raises: ConnectionError when it is gone.
    """
    try:
        with explaining_full_disk():
            app = await find_app(receiver, user, service, name, source=stream.source)
            repository = await receiver.repositories.open(app.id)
    except PushdError as error:
        await stream.write(pkt(b"ERR " + error.text.encode()))  # git shows it as a `remote error`
        return REFUSED
    try:
        with explaining_full_disk():
            if service == RECEIVE:
                await _receive(receiver, app, user, repository, stream)
            else:
                client = _Patient(stream)
                talk = partial(converse, receiver.git, repository, write=client.write)
                await fetching(receiver, user, app, client.read, talk)
    except PushdError as error:
        await stream.tell(f"{complaint(error.text)}\n")
        return REFUSED
    return DONE


async def _receive(receiver: Receiver, app: App, user: User, repository: Repository, stream: Stream) -> None:
    await stream.write(await receiver.advertise(repository))
    reader = PktReader(_Patient(stream).read, limit_bytes=LINES_LIMIT_BYTES)
    wanted = await read_push(reader)
    if wanted is None:
        return
    read = one_pack(reader.rest)
    try:
        ongoing = await receiver.receive(app, user, wanted, read, source=stream.source)
    except DiskFull as error:  # there is not even room for the output: git shows no other answer than the report
        while wanted.has_pack and await read():
            pass
        await stream.write(refusal(wanted, error))
        return
    try:
        await ongoing.tell(stream.write, keepalive_seconds=receiver.keepalive_seconds)
    finally:
        ongoing.forget()


def one_pack(read: Read) -> Read:
    """`read`, with an end behind the pack: some clients leave the connection open and wait for our answer.

    A pack ends with the SHA-1 of all that stands before it, and nothing follows one. Bytes that only look like such an end
    cut a pack short that was made for that; it is refused like any other that is not whole. Source: gitformat-pack(5).
    """
    before, last, is_whole = hashlib.sha1(usedforsecurity=False), b"", False

    async def read_on() -> bytes:
        nonlocal last, is_whole
        if is_whole:
            return b""
        data = await read()
        seen = last + data
        before.update(seen[:-_CHECKSUM_BYTES])
        last = seen[-_CHECKSUM_BYTES:]
        is_whole = last == before.digest()
        return data

    return read_on


class _Patient:
    """The client's end, on which it may be silent for a while, and longer as long as we have something to say."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()

    async def read(self) -> bytes:
        """Raises: BadRequest when nothing came for too long."""
        self._last = self._loop.time()
        while True:
            try:
                async with asyncio.timeout_at(self._last + SILENCE_SECONDS):
                    return await self._stream.read()
            except TimeoutError:
                if self._loop.time() >= self._last + SILENCE_SECONDS:
                    raise BadRequest(f"Nothing came for {SILENCE_SECONDS:g} seconds.", remedy="Try again.") from None

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)
        self._last = self._loop.time()
