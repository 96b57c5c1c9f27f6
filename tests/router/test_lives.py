"""A target whose dyno has ended gets nothing more, whoever listens on its port by then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pushd.kit import procfs
from pushd.kit.procfs import Identity
from pushd.kit.sockdiag import SockDiag
from tests.router.conftest import Front, Serving, Wire, quick

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


def give_listener(front: Front, dyno: Dyno, *, uid: int | None = None, inode: int | None = None) -> None:
    """The target of the shop as the daemon saw it, or with another user or socket."""
    port = front.target.target.port
    seen = SockDiag()
    listening = seen.maybe_listening(port)
    seen.close()
    assert listening
    uid, inode = listening.uid if uid is None else uid, listening.inode if inode is None else inode
    life = dyno.identity.text
    front.apply(targets=(replace(front.target.target, dyno_id="id-lives", life=life, uid=uid, inode=inode),))


async def test_another_user_who_listens_on_the_port_gets_nothing(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.001)) as front:
        give_listener(front, dyno, uid=os.getuid() + 1)

        visitor = await front.ask()

        assert b"H21" in (await visitor.answer()).body
        for wire in front.target.wires:
            assert await wire.ended()


async def test_who_takes_the_port_of_a_dyno_that_is_dying_gets_nothing(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.01, stranger_seconds=600, connect_tries=1000)) as front:
        give_listener(front, dyno, inode=1)  # what listens now is another socket

        await front.ask()
        wire = await front.target.accept()
        dyno.end()
        await front.request_waits()

        assert await wire.ended()


async def test_a_living_dyno_may_open_another_listening_socket(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.01, stranger_seconds=0.02, connect_tries=1000)) as front:
        give_listener(front, dyno, inode=1)

        visitor = await front.ask()
        while (wire := await front.target.accept()) and await _is_closed_at_once(wire):
            pass
        await wire.send(ANSWER)

        assert (await visitor.answer()).status == 200


async def test_the_one_who_listened_from_the_start_gets_its_requests(front: Front, dyno: Dyno) -> None:
    give_listener(front, dyno)

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).status == 200
    assert front.target.accepted == 1


async def _is_closed_at_once(wire: Wire) -> bool:
    """Whether nothing is said on it; else a request's head was."""
    try:
        return not await wire.head()
    except (EOFError, ConnectionError):
        return True
