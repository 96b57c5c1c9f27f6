from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from pushd.kit.aio import Nursery
from pushd.kit.transcript import Transcript

TOO_LONG = b"\n !     Output is too long, the rest is not kept.\n"


@pytest.fixture
def transcript(tmp_path: Path) -> Iterator[Transcript]:
    made = Transcript(tmp_path / "builds" / "1.txt")
    yield made
    made.close()


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_late_reader_misses_nothing(transcript: Transcript) -> None:
    transcript.say("-----> Building")
    transcript.write(b"no newline \xff\x00")
    transcript.say("ü\ntwo lines")
    transcript.close()

    expected = b"-----> Building\nno newline \xff\x00\xc3\xbc\ntwo lines\n"
    assert await all_of(transcript.follow()) == expected == transcript.path.read_bytes()
    assert stat.S_IMODE(transcript.path.stat().st_mode) == 0o600


async def test_what_is_said_steers_no_terminal_whomever_it_quotes(transcript: Transcript) -> None:
    transcript.say("-----> Using buildpack: \x1b]0;title\x07\x1b[2Jevil")
    assert transcript.path.read_bytes() == b"-----> Using buildpack: evil\n"


async def test_readers_follow_while_it_grows(transcript: Transcript) -> None:
    async with Nursery("test") as nursery, aclosing(transcript.follow()) as live:
        slow = nursery.start(all_of(transcript.follow()), name="slow")
        transcript.say("one")
        assert await anext(live) == b"one\n"
        transcript.say("two")
        transcript.say("three")
        assert await anext(live) == b"two\nthree\n"
        transcript.close()
        with pytest.raises(StopAsyncIteration):
            await anext(live)
        assert await slow == b"one\ntwo\nthree\n"


async def test_what_is_written_while_a_reader_reads_is_read_too(transcript: Transcript) -> None:
    lines = [f"line {number}" for number in range(200)]

    async def write() -> None:
        for line in lines:
            transcript.say(line)
            await asyncio.sleep(0)
        transcript.close()

    async with Nursery("test") as nursery:
        readers = [nursery.start(all_of(transcript.follow()), name=f"reader {number}") for number in range(3)]
        await nursery.start(write(), name="writer")
        for reader in readers:
            assert (await reader).decode().splitlines() == lines


async def test_silence_is_a_moment_for_a_keep_alive(transcript: Transcript) -> None:
    async with aclosing(transcript.follow(silence_seconds=0.001)) as live:
        assert [await anext(live), await anext(live)] == [b"", b""]
        transcript.say("x")
        while not (piece := await anext(live)):
            pass
        assert piece == b"x\n"


async def test_a_reader_that_goes_away_leaves_no_descriptor(transcript: Transcript) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    transcript.say("x")
    async with Nursery("test") as nursery:
        await asyncio.to_thread(bool)  # the pool's own descriptors are there now
        before = descriptors()
        readers = [nursery.start(all_of(transcript.follow()), name=f"reader {number}") for number in range(20)]
        for reader in readers[:10]:
            await asyncio.sleep(0)
            reader.cancel()  # in the middle of opening, reading or waiting
        await asyncio.wait(readers[:10])
        assert descriptors() <= before + 10
        transcript.close()
        assert [await reader for reader in readers[10:]] == [b"x\n"] * 10
        assert descriptors() < before  # the transcript's own is closed too


async def test_what_is_over_the_limit_is_dropped_and_said_once(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "1.txt", limit_bytes=10)
    heard: list[bytes] = []
    transcript.listen(heard.append)
    async with aclosing(transcript.follow()) as live:
        transcript.write(b"12345678")
        assert await anext(live) == b"12345678"

        transcript.write(b"90ab")
        assert await anext(live) == TOO_LONG  # live readers are told, too
        transcript.write(b"x")
        transcript.write(b"cdef")
        transcript.close()
        with pytest.raises(StopAsyncIteration):
            await anext(live)

    assert transcript.path.read_bytes() == b"12345678" + TOO_LONG == b"".join(heard)


def test_listeners_get_every_later_piece(transcript: Transcript) -> None:
    transcript.say("before")
    heard: list[bytes] = []
    transcript.listen(heard.append)

    transcript.say("one")
    transcript.write(b"")
    transcript.write(b"two")

    assert heard == [b"one\n", b"two"]


def _full(descriptor: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_full_disk_does_not_take_is_written_once_there_is_room(
    transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript.say("one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full)
        transcript.say("two")
    transcript.say("three")

    assert transcript.path.read_bytes() == b"one\ntwo\nthree\n"


async def test_followers_hear_what_the_disk_never_took(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript.say("one")
    monkeypatch.setattr(os, "write", _full)
    transcript.say("the disk is full")
    transcript.write(b"x" * 1_000_000)  # bounded: nobody's memory for a disk
    transcript.close()

    heard = b"".join([data async for data in transcript.follow()])

    assert heard.startswith(b"one\nthe disk is full\nxxx")
    assert len(heard) < 500_000
    assert transcript.path.read_bytes() == b"one\n"


def test_writing_after_the_end_is_no_error(transcript: Transcript) -> None:
    transcript.close()
    transcript.close()

    transcript.say("too late")

    assert transcript.path.read_bytes() == b""
