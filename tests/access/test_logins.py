"""Logins that wait for a person in a browser."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pushd.access import logins as module
from pushd.access.logins import VALID_SECONDS, Logins
from pushd.errors import NotFound
from tests.access.test_access import OWNER
from tests.fakes import FakeClock


async def test_what_a_person_confirms_is_taken_once() -> None:
    logins = Logins(FakeClock())
    login = logins.begin("box", "127.0.0.1")
    assert logins.find_poll(login.poll_id, login.poll_secret) is login
    waiting = asyncio.ensure_future(logins.wait(login, 600, until=asyncio.Event()))
    await asyncio.sleep(0)

    logins.confirm(logins.find_page(login.page_id), OWNER)

    assert await waiting
    with pytest.raises(NotFound):
        logins.find_page(login.page_id)
    assert [logins.take(login), logins.take(login)] == [OWNER, None]
    with pytest.raises(NotFound):
        logins.find_poll(login.poll_id, login.poll_secret)


async def test_no_id_stands_for_another() -> None:
    logins = Logins(FakeClock())
    one, two = logins.begin("one", "x"), logins.begin("two", "x")
    for poll in ((one.poll_id, two.poll_secret), (one.poll_id, ""), (one.page_id, one.poll_secret), ("\udcff", "\udcff")):
        with pytest.raises(NotFound):
            logins.find_poll(*poll)
    with pytest.raises(NotFound):
        logins.find_page(one.poll_id)
    assert one.poll_secret not in repr(one) + repr(replace(one))


async def test_a_login_ends_by_itself() -> None:
    clock = FakeClock()
    logins = Logins(clock)
    login = logins.begin("box", "x")
    waiting = asyncio.ensure_future(logins.wait(login, 10_000, until=asyncio.Event()))
    await asyncio.sleep(0)
    await clock.advance(VALID_SECONDS)

    assert await waiting
    assert logins.take(login) is None
    with pytest.raises(NotFound):
        logins.find_page(login.page_id)


async def test_a_wait_says_when_nothing_came_of_it_yet() -> None:
    clock = FakeClock()
    logins = Logins(clock)
    waiting = asyncio.ensure_future(logins.wait(logins.begin("box", "x"), 20, until=asyncio.Event()))
    await asyncio.sleep(0)
    await clock.advance(20)
    assert not await waiting


async def test_one_asks_at_a_time() -> None:
    logins = Logins(FakeClock())
    login = logins.begin("box", "x")
    asked = [logins.ask(login) for _ in range(3)]
    waiting = [asyncio.ensure_future(logins.wait(login, 600, until=each)) for each in asked]

    assert await waiting[0]
    assert await waiting[1]
    assert ([each.is_set() for each in asked], waiting[2].done()) == ([True, True, False], False)
    logins.confirm(login, OWNER)
    assert await waiting[2]
    assert logins.take(login) == OWNER


async def test_a_confirmed_login_that_nobody_collects_ends_too() -> None:
    clock = FakeClock()
    logins = Logins(clock)
    login = logins.begin("box", "x")
    logins.confirm(login, OWNER)
    clock.tick(VALID_SECONDS)
    with pytest.raises(NotFound):
        logins.find_poll(login.poll_id, login.poll_secret)
    assert logins.take(login) is None


async def test_wrong_tokens_end_it() -> None:
    logins = Logins(FakeClock())
    login = logins.begin("box", "x")
    for _ in range(9):
        logins.refuse(login)
    assert logins.find_page(login.page_id) is login
    logins.refuse(login)
    with pytest.raises(NotFound):
        logins.find_page(login.page_id)
    assert await logins.wait(login, 600, until=asyncio.Event())


def test_a_source_that_begins_too_many_ends_its_own() -> None:
    logins = Logins(FakeClock())
    elsewhere = logins.begin("hers", "198.51.100.7")
    crowd = [logins.begin("a crowd", f"2001:db8:1:2::{n:x}") for n in range(1, 301)]  # one network

    assert logins.find_page(elsewhere.page_id) is elsewhere
    assert logins.find_page(crowd[-1].page_id) is crowd[-1]
    assert len(logins._waiting) == 1 + module._WAITING_PER_SOURCE
    for ended in crowd[: -module._WAITING_PER_SOURCE]:
        assert ended.answered.is_set()  # the program that waits is told
        with pytest.raises(NotFound):
            logins.find_page(ended.page_id)


def test_when_all_are_too_many_the_most_crowded_source_gives() -> None:
    logins = Logins(FakeClock())
    crowd = [logins.begin("a crowd", "192.0.2.1") for _ in range(5)]
    others = [logins.begin("one", f"198.51.100.{n}") for n in range(module._WAITING_AT_MOST - 5)]

    last = logins.begin("last", "203.0.113.1")

    assert len(logins._waiting) == module._WAITING_AT_MOST
    assert crowd[0].answered.is_set()
    assert not any(each.answered.is_set() for each in [*crowd[1:], *others, last])
