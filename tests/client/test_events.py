"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pushd.client.events import Event, parse_events

STREAM = b"retry: 1\n\n: heartbeat\n\nid: 7\ndata: one\n\ndata:two\ndata: 2\r\n\r\nid: 9\ndata: \xc3\xa9\n\ndata: unfinished"
EVENTS = [Event("one", "7"), Event("two\n2", "7"), Event("é", "9")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_bytes_arrive(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in itertools.pairwise(edges)]

    assert list(parse_events(chunks)) == EVENTS


def test_an_event_comes_as_soon_as_it_is_whole() -> None:
    def chunks() -> object:
        yield b"data: now\n\n"
        raise AssertionError("asked for more before giving what was there")

    assert next(iter(parse_events(chunks()))) == Event("now", "")  # type: ignore[arg-type]
