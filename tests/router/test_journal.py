"""Log lines are kept within a bound while nobody takes them, and what was lost is said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pushd.router.heads import in_quotes
from pushd.router.journal import Journal, Line


class Reader:
    """Takes batches while `ready`."""

    def __init__(self) -> None:
        self.ready = True
        self.batches: list[tuple[list[str], int]] = []

    def __call__(self, lines: Sequence[Line], dropped: int) -> bool:
        if self.ready:
            self.batches.append(([text for _, _, text in lines], dropped))
        return self.ready


async def test_lines_come_in_batches_in_order() -> None:
    journal, reader = Journal(asyncio.get_running_loop()), Reader()
    journal.send = reader
    for number in range(4500):
        journal.record("app", "info", str(number))
    journal.flush()
    assert [len(lines) for lines, _ in reader.batches] == [2000, 2000, 500]
    assert [text for lines, _ in reader.batches for text in lines] == [str(number) for number in range(4500)]


async def test_lines_go_out_by_themselves() -> None:
    journal, taken = Journal(asyncio.get_running_loop()), asyncio.Event()
    journal.send = lambda lines, dropped: taken.set() or True
    journal.record("app", "info", "line")
    await taken.wait()


async def test_the_oldest_are_dropped_and_counted_once() -> None:
    journal, reader = Journal(asyncio.get_running_loop(), limit_bytes=10_000), Reader()
    journal.send, reader.ready = reader, False
    for number in range(1000):
        journal.record("app", "info", f"{number:04}")
    journal.flush()
    reader.ready = True
    journal.flush()
    ((lines, dropped),) = reader.batches
    assert lines[-1] == "0999"
    assert dropped == 1000 - len(lines) > 900
    journal.record("app", "info", "next")
    journal.flush()
    assert reader.batches[1] == (["next"], 0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/a", "/a"),
        (b'/"\\', '/\\"\\\\'),
        (b"/\xc3\xa4", "/ä"),
        (b"/\xff", "/�"),
        (b"a\nb\x1b", "a�b�"),
        ("\u202e".encode(), "�"),
    ],
)
def test_nothing_a_client_sends_ends_the_quotes_or_the_line(raw: bytes, text: str) -> None:
    assert in_quotes(raw) == text
