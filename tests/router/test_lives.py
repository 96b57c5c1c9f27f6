"""A target whose dyno has ended gets nothing more, whoever listens on its port by then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pushd.kit import procfs
from pushd.kit.procfs import Identity
from tests.router.conftest import Front, Serving, quick

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Dyno:
    """A process that stands for one."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        found = procfs.identify(self.process.pid)
        assert found is not None
        self.identity: Identity = found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def dyno() -> Iterator[Dyno]:
    dyno = Dyno()
    yield dyno
    dyno.end()


def give_life(front: Front, life: str) -> None:
    """The target of the shop as that of another dyno."""
    front.apply(targets=(replace(front.target.target, dyno_id="id-lives", life=life),))


async def test_a_living_dyno_is_asked(front: Front, dyno: Dyno) -> None:
    give_life(front, dyno.identity.text)

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).body == b"ok"


async def test_a_dyno_that_ends_gets_nothing_more_and_its_visitors_wait(front: Front, dyno: Dyno) -> None:
    give_life(front, dyno.identity.text)
    visitor = await front.ask()
    await front.target.answer(ANSWER)
    await visitor.answer()

    dyno.end()
    other = await front.ask("/waits")
    await front.request_waits()

    assert front.target.accepted == 1
    give_life(front, "")  # the daemon sends the next dyno
    front.apply(targets=(replace(front.target.target, dyno_id="id-next"),))
    await front.target.answer(ANSWER)
    assert (await other.answer()).status == 200


async def test_a_dyno_that_had_ended_before_gets_nothing(front: Front, dyno: Dyno) -> None:
    dyno.end()
    give_life(front, dyno.identity.text)

    await front.ask()
    await front.request_waits()

    assert front.target.accepted == 0


async def test_a_pid_that_belongs_to_another_process_by_now_is_not_taken_for_the_dyno(front: Front, dyno: Dyno) -> None:
    give_life(front, replace(dyno.identity, started=dyno.identity.started - 1).text)

    await front.ask()
    await front.request_waits()

    assert front.target.accepted == 0


async def test_who_waited_in_vain_for_a_dyno_that_ended_is_told_that_the_app_crashed(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(queue_seconds=0.05)) as front:
        dyno.end()
        give_life(front, dyno.identity.text)

        visitor = await front.ask()

        assert b"H10" in (await visitor.answer()).body


async def test_a_life_that_cannot_be_followed_counts_as_one(front: Front) -> None:
    give_life(front, "some other machine's")

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).status == 200


async def test_somebody_else_who_listens_on_the_port_gets_nothing(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.001)) as front:
        stranger = replace(front.target.target, dyno_id="id-lives", life=dyno.identity.text, uid=os.getuid() + 1)
        front.apply(targets=(stranger,))

        visitor = await front.ask()

        assert b"H21" in (await visitor.answer()).body
        for wire in front.target.wires:
            assert await wire.ended()


async def test_the_one_who_listened_from_the_start_gets_its_requests(front: Front, dyno: Dyno) -> None:
    front.apply(targets=(replace(front.target.target, dyno_id="id-lives", life=dyno.identity.text, uid=os.getuid()),))

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).status == 200
