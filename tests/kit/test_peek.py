"""What waits in a pipe can be seen without being taken."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pushd.kit.peek import peeking


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield ends
    for end in ends:
        os.close(end)


def test_it_is_seen_as_often_as_one_looks_and_read_afterwards(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with peeking() as peek:
        os.write(writing, b"one\n")
        assert [peek.look(reading), peek.look(reading)] == [b"one\n", b"one\n"]
        os.write(writing, b"two\n")
        assert peek.look(reading) == b"one\ntwo\n"
    assert os.read(reading, 100) == b"one\ntwo\n"


def test_of_a_full_pipe_the_beginning_is_seen(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    data = os.urandom(1 << 16)
    assert os.write(writing, data) == len(data)
    with peeking() as peek:
        seen = peek.look(reading)
    assert seen
    assert data.startswith(seen)
    assert os.read(reading, 1 << 20) == data


def test_an_empty_pipe_has_nothing_to_see(pipe: tuple[int, int]) -> None:
    with peeking() as peek, pytest.raises(BlockingIOError):
        peek.look(pipe[0])


def test_a_pipe_that_has_ended_has_nothing_either(pipe: tuple[int, int]) -> None:
    with peeking() as peek:
        reading, writing = os.pipe()
        os.close(writing)
        assert peek.look(reading) == b""
        os.close(reading)
